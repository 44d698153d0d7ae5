"""Who stays responsive? A heat map."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import plotly.graph_objects as go

from ...diagnosis import State
from ...findings import Findings, Watched
from ...metrics import Mark
from ...report import Report
from .. import marking, words
from . import texts
from .contrast import INKS, ink, on_scale
from .themes import Theme

#: Seconds between which the colours lie; from the last one on all are alike.
FASTEST: Final = 1e-4
SLOWEST: Final = 1.0


def matrix(report: Report, findings: Findings, theme: Theme) -> go.Figure:
    """Draw the interference matrix: heat maps for p99, and for each way not to have any."""
    names, scenarios = report.contestants, report.study["scenarios"]
    cells = {(one.contestant, one.scenario): one for one in findings.watched}
    grid = [[cells.get((name, each["name"])) for each in scenarios] for name in names]
    common = {"fixedrange": True, "showgrid": False, "showline": False, "ticks": ""}
    x_axis = {"side": "top", "tickvals": list(range(len(scenarios))),
              "ticktext": list(map(_column, scenarios)), "tickangle": 0,
              "tickfont": {"size": 11}, **common}  # fmt: skip
    height = 150 + 42 * len(names)
    return go.Figure(list(_heat_maps(grid, theme, marking.of_all(findings.watched))), {
        "template": "none", "dragmode": False, "height": height,
        "margin": {"t": 60, "b": 10}, "xaxis": x_axis,
        # As wide as its texts are: it scrolls sideways, as tables do.
        "meta": {"narrow": {"width": 150 + 68 * len(scenarios)}},
        "yaxis": {"autorange": "reversed", "tickvals": list(range(len(names))),
                  "ticktext": list(map(texts.short, names)), **common},
    })  # fmt: skip


def _heat_maps(
    grid: Sequence[Sequence[Watched | None]], theme: Theme, said: Collection[Mark]
) -> Iterator[go.Heatmap]:
    """One for each kind of cell and each ink on it: the text of one has one colour."""
    kinds = (
        ("p99", theme.scale),
        (State.PARALYSED.value, theme.only(theme.paralysed)),
        (State.FAILED.value, theme.only(theme.failed)),
    )
    for kind, scale in kinds:
        for each in INKS:
            cells = [[one if _ink(one, kind, scale) == each else None for one in row]
                     for row in grid]  # fmt: skip
            legend = (kind, each) == ("p99", INKS[0])
            if legend or any(map(any, cells)):
                yield _heat_map(cells, kind, scale, each, said).update(showscale=legend)


def _heat_map(
    cells: Sequence[Sequence[Watched | None]],
    kind: str,
    scale: Any,
    colour: str,
    said: Collection[Mark],
) -> go.Heatmap:
    return go.Heatmap(
        name=kind, z=[[_heat(one, kind) for one in row] for row in cells],
        text=[[texts.plain(words.in_cell(one, said)) if one else "" for one in row]
              for row in cells],
        customdata=[[_hover(one) if one else "" for one in row] for row in cells],
        texttemplate="%{text}", textfont={"color": colour}, xgap=3, ygap=3,
        hovertemplate=texts.HOVER, hoverongaps=False,
        colorscale=scale, zmin=math.log10(FASTEST), zmax=math.log10(SLOWEST),
        colorbar=_heat_bar(),
    )  # fmt: skip


def _ink(one: Watched | None, kind: str, scale: Any) -> str:
    """What a cell is written in; empty, if another kind of heat map has it."""
    heat = _heat(one, kind)
    if heat is None:
        return ""
    low, high = math.log10(FASTEST), math.log10(SLOWEST)
    return ink(on_scale(scale, (heat - low) / (high - low)))


def _heat(one: Watched | None, kind: str) -> float | None:
    if one is None:
        return None
    if one.state in {State.PARALYSED, State.FAILED}:
        return 0.0 if one.state.value == kind else None
    return math.log10(one.p99) if kind == "p99" and one.p99 else None


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
