"""Who scales? Curves over connections."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import plotly.graph_objects as go

from ...findings import Fall, Findings, Scaled
from ...metrics import Mark
from ...report import Report
from .. import marking, words
from . import texts
from .themes import Theme


@dataclass(frozen=True, slots=True)
class _Panel:
    """One of the curves' charts.

    :param show: writes a value on the axis; ``None``: the axis is linear, and Plotly does.
    """

    title: str
    of: Callable[[Scaled], float | None]
    show: Callable[[float], str] | None = None
    binary: bool = False


_PANELS: Final = (
    _Panel("Throughput, requests/s", lambda one: one.rate),
    _Panel("Response time, p99", lambda one: one.p99, words.round_seconds),
    _Panel("CPU time of the server, µs a request", lambda one: one.cpu_us, words.number),
    _Panel("Resident memory", lambda one: one.resident_bytes, words.round_size, binary=True),
)
#: Names of contestants, above all panels.
_LEGEND: Final = {"orientation": "h", "yanchor": "bottom", "y": 1.07, "x": 0, "xanchor": "left"}
#: What differs where there is no room for two panels side by side.
_NARROW: Final = {
    "height": 1320, "legend": {**_LEGEND, "y": 1.03},
    "grid": {"rows": 4, "columns": 1, "pattern": "independent", "ygap": 0.32},
}  # fmt: skip
#: Where the ticks of a decade are, by how far the values are apart.
_STEPS: Final = ((10, (1, 1.5, 2, 3, 5, 7)), (100, (1, 2, 5)), (1000, (1, 3)), (math.inf, (1,)))


def curves(report: Report, findings: Findings, workload: str, theme: Theme) -> go.Figure:
    """Draw what becomes of each contestant with more and more connections."""
    scaled = [one for one in findings.scaled if one.workload == workload]
    falls = {one.contestant: one for one in findings.falls if one.workload == workload}
    said, x_axis = marking.of_all(scaled), _x_axis({one.connections for one in scaled})
    traces: list[go.Scatter] = []
    layout: dict[str, Any] = {
        "template": "none", "height": 680, "margin": {"t": 90}, "hovermode": "closest",
        "grid": {"rows": 2, "columns": 2, "pattern": "independent", "xgap": 0.2, "ygap": 0.26},
        "legend": _LEGEND, "meta": {"narrow": _NARROW},
    }  # fmt: skip
    for place, panel in enumerate(_PANELS):
        which = str(place + 1) if place else ""
        values = [value for one in scaled if (value := panel.of(one))]
        layout |= {f"xaxis{which}": x_axis, f"yaxis{which}": _y_axis(values, panel)}
        for index, name in enumerate(report.contestants):
            mine = sorted((s for s in scaled if s.contestant == name), key=lambda s: s.connections)
            line = _Line(mine, falls.get(name), panel, said).trace(theme.look(index))
            traces.append(line.update(
                name=texts.short(name), legendgroup=str(index), showlegend=not place,
                xaxis=f"x{which}", yaxis=f"y{which}",
            ))  # fmt: skip
    layout["annotations"] = list(map(_title, range(len(_PANELS)), _PANELS))
    return go.Figure(traces, layout)


def _title(place: int, panel: _Panel) -> dict[str, Any]:
    which = str(place + 1) if place else ""
    return {"text": f"<b>{panel.title}</b>", "showarrow": False, "font": {"size": 13},
            "xref": f"x{which} domain", "yref": f"y{which} domain", "x": 0, "y": 1,
            "xanchor": "left", "yanchor": "bottom", "yshift": 6}  # fmt: skip


class _Line:
    """What became of one contestant; where it falls over, its line ends in a cross."""

    def __init__(
        self,
        scaled: Sequence[Scaled],
        fall: Fall | None,
        panel: _Panel,
        said: Collection[Mark],
    ) -> None:
        self._scaled = [s for s in scaled if fall is None or s.connections <= fall.connections]
        self._values = [panel.of(one) for one in self._scaled]
        self._marked = [bool(marking.rest(one, said)) for one in self._scaled]
        self._fall = fall
        known = [at for at, value in enumerate(self._values) if value is not None]
        self._end = known[-1] if fall and known else None

    def trace(self, look: tuple[str, str, str]) -> go.Scatter:
        colour, symbol, dash = look
        points = range(len(self._scaled))
        ends = [at == self._end for at in points]
        return go.Scatter(
            mode="lines+markers", visible=True if any(self._values) else "legendonly",
            x=[one.connections for one in self._scaled], y=self._values,
            line={"color": colour, "dash": dash, "width": 2},
            marker={
                "symbol": ["x-thin-open" if ends[at] else symbol + "-open" * self._marked[at]
                           for at in points],
                "size": [13 if end else 8 for end in ends], "color": colour,
                "line": {"width": [4 if end else 1.5 for end in ends], "color": colour},
            },
            customdata=list(map(self._hover, points)), hovertemplate=texts.HOVER,
        )  # fmt: skip

    def _hover(self, at: int) -> str:
        one, fall = self._scaled[at], self._fall
        title = f"{one.contestant} · {words.load(one.workload, one.connections)}"
        lines = words.figures(one)
        if fall and at == self._end:
            lines.append(f"✕ falls over at {fall.connections:,} connections: {fall.reason}")
        return texts.hover(title, lines)


def _x_axis(loads: Collection[int]) -> dict[str, Any]:
    """An axis for so many connections; a single load stands in the middle."""
    ticks = sorted(loads)
    around = {"range": [math.log10(ticks[0] / 2), math.log10(ticks[0] * 2)]}
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:,}" for tick in ticks],
            "title": {"text": "connections"}, **(around if len(ticks) == 1 else {})}  # fmt: skip


def _y_axis(values: Sequence[float], panel: _Panel) -> dict[str, Any]:
    """A y axis for these values: with zero, or logarithmic with ticks that can be read.

    However near to each other values are, there are two ticks at least.
    """
    if panel.show is None or not values:
        return {"rangemode": "tozero", "tickformat": "~s"}
    ticks = _ticks(min(values), max(values), binary=panel.binary)
    low = max((tick for tick in ticks if tick < min(values)), default=min(values))
    high = min((tick for tick in ticks if tick > max(values)), default=max(values))
    axis = {"type": "log", "tickvals": ticks, "ticktext": list(map(panel.show, ticks))}
    if sum(min(values) <= tick <= max(values) for tick in ticks) < 2:
        axis["range"] = [math.log10(low * 0.97), math.log10(high * 1.03)]
    return axis


def _ticks(low: float, high: float, *, binary: bool) -> list[float]:
    """Powers of two, or of ten, from below ``low`` to above ``high``; between them, if few."""
    if binary:
        first, last = math.floor(math.log2(low)), math.ceil(math.log2(high))
        halves = (1.0, 1.5) if last - first <= 3 else (1.0,)
        powers = range(first, last + 1, max((last - first) // 5, 1))
        return [half * 2.0**power for power in powers for half in halves]
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = next(steps for most, steps in _STEPS if high / low <= most)
    return [step * 10.0**power for power in range(first, last + 1) for step in steps]
