"""Is the difference real? Ratios, with their intervals."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import plotly.graph_objects as go

from ...estimates import Verdict
from ...findings import Comparison, Findings, Scaled
from ...metrics import Metric
from ...report import Report
from .. import words
from . import texts
from .themes import Theme

#: How far the axis goes at least, either way, ...
_LEAST: Final = 1.12
#: ... and how much farther than the furthest ratio for the sake of an interval.
_FARTHER: Final = 3.0
#: How faint those are that have fallen over.
_FAINT: Final = 0.35
_CLEAR: Final = "rgba(0,0,0,0)"
#: Ticks from 1 up, by how far apart the ends of the axis are; from 1 down it is the same.
_TICKS: Final[tuple[tuple[float, tuple[float, ...]], ...]] = (
    (1.8, (1, 1.1, 1.25, 1.5)),
    (2.6, (1, 1.2, 1.5, 2)),
    (6, (1, 1.5, 2, 3, 5)),
    (40, (1, 2, 5, 10, 20)),
    (3e3, (1, 10, 100, 1000)),
    (math.inf, (1, 100, 1e4, 1e6)),
)


@dataclass(frozen=True, slots=True)
class _Row:
    """A contestant's place among the others, from above.

    :param fell: whether it has fallen over, at this load or with fewer connections.
    """

    place: int
    name: str
    scaled: Scaled
    one: Comparison | None
    fell: bool


def ratios(
    report: Report, findings: Findings, metric: Metric, load: tuple[str, int], theme: Theme
) -> go.Figure:
    """Draw how often as much everybody has of a metric as the reference has."""
    rows = list(_rows(report, findings, metric, load))
    found = [row.one for row in rows if row.one]
    low, high = _ends(rows)
    those = {verdict: [(row, row.one) for row in rows if row.one and row.one.verdict is verdict]
             for verdict in Verdict}  # fmt: skip
    traces = [_bars(verdict, each, (low, high), theme) for verdict, each in those.items()]
    better = f"{'more' if metric.higher_is_better else 'less'} is better"
    title = f"<b>{texts.plain(metric.title)}</b><br>{better if found else 'not compared'}"
    return go.Figure([*traces, _arrows(rows, (low, high), theme)], {
        "template": "none", "showlegend": False, "barmode": "overlay", "dragmode": False,
        "title": {"text": title, "font": {"size": 13}, "x": 0.02, "y": 0.95, "yanchor": "top"},
        "height": 110 + 30 * len(rows), "margin": {"t": 62, "b": 40, "l": 8, "r": 60},
        "xaxis": {"type": "log", "range": [math.log10(low), math.log10(high)], "tickangle": 0,
                  "fixedrange": True, **_ticks(low, high)},
        "yaxis": {"tickvals": [row.place for row in rows], "ticktext": [row.name for row in rows],
                  "range": [len(rows) - 0.4, -0.6], "fixedrange": True, "showgrid": False,
                  "showline": False, "ticks": "outside", "ticklen": 8, "tickcolor": _CLEAR},
        "shapes": _shapes(found, theme), "annotations": list(map(_figure, rows)),
    })  # fmt: skip


def _rows(
    report: Report, findings: Findings, metric: Metric, load: tuple[str, int]
) -> Iterator[_Row]:
    """All that were measured; the reference, if there was a second one of it."""
    by_name = {s.contestant: s for s in findings.scaled if (s.workload, s.connections) == load}
    fallen = {one.contestant for one in findings.falls
              if one.workload == load[0] and one.connections <= load[1]}  # fmt: skip
    those = [by_name[name] for name in report.contestants if name in by_name]
    those = [one for one in those if one.contestant != findings.against or one.comparisons]
    for place, scaled in enumerate(those):
        name, fell = scaled.contestant, scaled.contestant in fallen
        shown = f"{texts.short(name)}{' (again)' * (name == findings.against)}{' ✕' * fell}"
        yield _Row(place, shown, scaled, scaled.comparisons.get(metric.name), fell)


def _ends(rows: Sequence[_Row]) -> tuple[float, float]:
    """Where the axis ends: beyond all ratios of those that stand, and intervals not far off."""
    found = [row.one for row in rows if row.one and not row.fell]
    low = min([1 / _LEAST, *(min(one.estimate.ratio, 1 / one.noise) for one in found)])
    high = max([_LEAST, *(max(one.estimate.ratio, one.noise) for one in found)])
    bounds = [bound for one in found for bound in (one.estimate.low, one.estimate.high)
              if bound is not None and low / _FARTHER < bound < high * _FARTHER]  # fmt: skip
    low, high = min([low, *bounds]), max([high, *bounds])
    margin = (high / low) ** 0.05
    return low / margin, high * margin


def _bars(
    verdict: Verdict,
    those: Sequence[tuple[_Row, Comparison]],
    ends: tuple[float, float],
    theme: Theme,
) -> go.Bar:
    values = [one.estimate.ratio for _, one in those]
    bounds = [_bounds(one, ends) for _, one in those]
    return go.Bar(
        name=verdict.value, orientation="h", y=[row.place for row, _ in those], width=0.55,
        base=[1] * len(those), x=[value - 1 for value in values],
        marker={"color": theme.verdicts[verdict],
                "opacity": [_FAINT if row.fell else 1 for row, _ in those]},
        customdata=[_hover(row, one) for row, one in those], hovertemplate=texts.HOVER,
        error_x={"type": "data", "symmetric": False, "color": theme.text, "thickness": 1.5,
                 "width": 4,
                 "array": [max(high - value, 0) for value, (_, high)
                           in zip(values, bounds, strict=True)],
                 "arrayminus": [max(value - low, 0) for value, (low, _)
                                in zip(values, bounds, strict=True)]},
    )  # fmt: skip


def _bounds(one: Comparison, ends: tuple[float, float]) -> tuple[float, float]:
    """The interval as far as the axis goes; nothing but the ratio, where there is none."""
    low, high = one.estimate.low, one.estimate.high
    if low is None or high is None:
        return one.estimate.ratio, one.estimate.ratio
    return max(low, ends[0]), min(high, ends[1])


def _arrows(rows: Sequence[_Row], ends: tuple[float, float], theme: Theme) -> go.Scatter:
    """Where a bar or an interval goes on beyond the axis."""
    low, high = ends
    points = [
        (row.place, end, symbol)
        for row in rows if row.one
        for end, symbol, beyond in (
            (low, "triangle-left", min(row.one.estimate.ratio, _or(row.one.estimate.low, 1)) < low),
            (high, "triangle-right",
             max(row.one.estimate.ratio, _or(row.one.estimate.high, 1)) > high),
        ) if beyond
    ]  # fmt: skip
    return go.Scatter(
        name="goes on", mode="markers", x=[end for _, end, _ in points],
        y=[place for place, *_ in points], hoverinfo="skip", cliponaxis=False,
        marker={"symbol": [symbol for *_, symbol in points], "size": 10, "color": theme.text},
    )  # fmt: skip


def _or(bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else bound


def _hover(row: _Row, one: Comparison) -> str:
    lines = [
        f"{words.times(one.estimate.ratio)}, 95 %: {words.interval(one.estimate)}",
        f"{one.verdict.value}, after {one.estimate.rounds} rounds",
        f"noise: up to {words.times(one.noise)}",
        "✕ it has fallen over: this is of the few it serves" if row.fell else "",
        words.marks(row.scaled.marks),
    ]
    return texts.hover(row.scaled.contestant, lines)


def _shapes(found: Sequence[Comparison], theme: Theme) -> list[dict[str, Any]]:
    """A band for the noise, and a line at 1."""
    common = {"yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    line = {"type": "line", "x0": 1, "x1": 1, "line": {"color": theme.text, "width": 1}, **common}
    if not found:
        return [line]
    noise = found[0].noise
    band = {"type": "rect", "x0": 1 / noise, "x1": noise, "fillcolor": theme.text,
            "opacity": 0.15, "line": {"width": 0}, **common}  # fmt: skip
    return [band, line]


def _figure(row: _Row) -> dict[str, Any]:
    """The ratio in figures, in a column on the right."""
    text = words.times(row.one.estimate.ratio) if row.one else words.NOTHING
    return {"text": text, "xref": "paper", "x": 1, "xanchor": "left", "xshift": 8,
            "y": row.place, "showarrow": False}  # fmt: skip


def _ticks(low: float, high: float) -> dict[str, Any]:
    up = next(ticks for most, ticks in _TICKS if high / low <= most)
    both = sorted({*up, *(1 / tick for tick in up)})
    ticks = [tick for tick in both if low <= tick <= high]
    return {"tickvals": ticks, "ticktext": list(map(words.about, ticks))}
