"""Parts of what is shown, made of rich: the same for a live view and for a result."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from ..counts import Fault, Histogram, Tally
from ..plan.units import show_duration
from ..results import PERCENTILES
from .text import plain

#: Lines of a latency histogram.
BARS = 8
_WIDTH = 40


def latencies(rows: Iterable[tuple[str, Histogram, Histogram | None]]) -> Table:
    """Return a table of latencies: name, histogram, and those of it that are lower bounds."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for name in ("mean", *PERCENTILES, "max"):
        table.add_column(name if name != "p999" else "p99.9", justify="right", no_wrap=True)
    for name, histogram, at_least in rows:
        if histogram.counts:
            table.add_row(Text(name), *figures(histogram, at_least))
    return table


def figures(histogram: Histogram, at_least: Histogram | None = None) -> list[str]:
    """Show mean, percentiles and maximum; ``≥`` marks what is no more than a lower bound."""
    values = [
        histogram.mean,
        *histogram.percentiles(PERCENTILES.values()),
        histogram.max,
    ]
    bound = at_least.min if at_least and at_least.counts else float("inf")
    marks = [bool(at_least and at_least.counts), *(value >= bound for value in values[1:])]
    return [
        f"{'≥ ' if mark else ''}{show_duration(value)}"
        for mark, value in zip(marks, values, strict=True)
    ]


def bars(histogram: Histogram) -> Table:
    """Return a picture of a histogram: the latency doubles from line to line or more."""
    table = Table(box=None, pad_edge=False, show_header=False)
    rows = classes(histogram)
    most = max((count for _, count in rows), default=0)
    for bound, count in rows:
        width = round(_WIDTH * 8 * count / most)
        bar = "█" * (width // 8) + (" ▏▎▍▌▋▊▉"[width % 8] if width % 8 else "")
        bar = bar or ("▏" if count else "")
        share = f"{count / histogram.total:.2%}"
        table.add_row(f"≤ {show_duration(bound)}", Text(share, justify="right"), bar)
    return table


def classes(histogram: Histogram, lines: int = BARS) -> list[tuple[float, int]]:
    """Return ``lines`` classes at the most, as wide as each other on a log axis.

    :returns: the upper bound of each, in seconds, and how many there are in it.
    """
    if not histogram.counts:
        return []
    low, high = max(histogram.min, 1e-6), max(histogram.max, 2e-6)
    factor = max((high / low) ** (1 / lines), 1.001)
    result: list[tuple[float, int]] = [(low * factor**n, 0) for n in range(1, lines + 1)]
    at = 0
    for micros, count in histogram:
        while at < lines - 1 and micros / 1e6 > result[at][0]:
            at += 1
        result[at] = (result[at][0], result[at][1] + count)
    return [(bound if n < lines - 1 else high, count) for n, (bound, count) in enumerate(result)]


def errors(tally: Tally) -> Table:
    """Return a table of errors: what, how many, and what to do about it."""
    table = Table(box=None, pad_edge=False, header_style="bold red")
    for name in ("errors", "requests", "connections", "what to do"):
        table.add_column(name, justify="right" if name in {"requests", "connections"} else "left")
    for fault in faults(tally):
        table.add_row(
            str(fault),
            f"{tally.lost_requests[fault]:,}",
            f"{tally.lost_connections[fault]:,}",
            Text(plain(fault.advice)),
        )
    return table


def faults(tally: Tally) -> list[Fault]:
    """Return the kinds of errors there are, the most frequent first."""
    kinds = dict.fromkeys([*tally.lost_requests, *tally.lost_connections])
    return sorted(kinds, key=lambda f: -(tally.lost_requests[f] + tally.lost_connections[f]))
