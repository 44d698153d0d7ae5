"""Who stays responsive? A heat map."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import plotly.graph_objects as go

from ...diagnosis import State
from ...findings import Findings, Watched
from ...report import Report
from .. import words
from . import texts
from .themes import Theme

#: Seconds between which the colours lie; from the last one on all are alike.
FASTEST: Final = 1e-4
SLOWEST: Final = 1.0


def matrix(report: Report, findings: Findings, theme: Theme) -> go.Figure:
    """Draw the interference matrix: one heat map for p99, one for each way not to have any."""
    names, scenarios = report.contestants, report.study["scenarios"]
    cells = {(one.contestant, one.scenario): one for one in findings.watched}
    grid = [[cells.get((name, each["name"])) for each in scenarios] for name in names]
    kinds = (
        ("p99", theme.scale, None),
        (State.PARALYSED.value, theme.only(theme.paralysed), theme.paper),
        (State.FAILED.value, theme.only(theme.failed), theme.paper),
    )
    common = {"fixedrange": True, "showgrid": False, "showline": False, "ticks": ""}
    return go.Figure([_heat_map(grid, *kind) for kind in kinds], {
        "template": "none", "dragmode": False, "height": 150 + 42 * len(names),
        "margin": {"t": 60, "b": 10},
        "xaxis": {"side": "top", "tickvals": list(range(len(scenarios))),
                  "ticktext": list(map(_column, scenarios)), "tickangle": 0,
                  "tickfont": {"size": 11}, **common},
        "yaxis": {"autorange": "reversed", "tickvals": list(range(len(names))),
                  "ticktext": list(map(texts.short, names)), **common},
    })  # fmt: skip


def _heat_map(
    grid: Sequence[Sequence[Watched | None]], kind: str, colours: Any, ink: str | None
) -> go.Heatmap:
    return go.Heatmap(
        name=kind, z=[[_heat(one, kind) for one in row] for row in grid],
        text=[[_text(one, kind) for one in row] for row in grid],
        customdata=[[_hover(one) if one else "" for one in row] for row in grid],
        texttemplate="%{text}", textfont={"color": ink}, xgap=3, ygap=3,
        hovertemplate=texts.HOVER, hoverongaps=False,
        colorscale=colours, zmin=math.log10(FASTEST), zmax=math.log10(SLOWEST),
        showscale=kind == "p99", colorbar=_heat_bar(),
    )  # fmt: skip


def _heat(one: Watched | None, kind: str) -> float | None:
    if one is None:
        return None
    if one.state in {State.PARALYSED, State.FAILED}:
        return 0.0 if one.state.value == kind else None
    return math.log10(one.p99) if kind == "p99" and one.p99 else None


def _text(one: Watched | None, kind: str) -> str:
    """What stands in a cell; empty, if another heat map has it."""
    return "" if one is None or _heat(one, kind) is None else texts.plain(words.in_cell(one))


def _heat_bar() -> dict[str, Any]:
    powers = range(round(math.log10(FASTEST)), round(math.log10(SLOWEST)) + 1)
    texts = [words.round_seconds(10.0**power) for power in powers]
    return {"tickvals": list(powers), "ticktext": [*texts[:-1], f"≥ {texts[-1]}"],
            "title": {"text": "p99", "side": "top"}, "thickness": 10, "outlinewidth": 0,
            "orientation": "h", "len": 0.5, "x": 1, "xanchor": "right",
            "y": 0, "yanchor": "top", "ypad": 14}  # fmt: skip


def _column(scenario: Mapping[str, Any]) -> str:
    clients = f"by {scenario['clients']:,}" if scenario["clients"] else " "
    return f"{texts.plain(scenario['name'])}<br>{clients}"


def _hover(one: Watched) -> str:
    p50, p99, longest = map(words.seconds, (one.p50, one.p99, one.longest))
    lines = [f"p50 {p50} · p99 {p99} · max {longest}"] if one.p99 is not None else []
    lines += [f"{one.answered:,} of {one.asked:,} PINGs answered", one.state.value]
    lines += [one.reason, words.marks(one.marks)]
    return texts.hover(f"{one.contestant} · {one.scenario}", lines)
