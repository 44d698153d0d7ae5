"""Parts of what is shown, made of rich: the same for a live view and for a result."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from ..counts import Fault, Histogram, Tally
from ..plan.units import show_duration
from ..results import PERCENTILES
from .fitting import Fitted
from .text import plain

#: What stands where there is no figure.
NOTHING: Final = "\N{EN DASH}"
#: Lines of a latency histogram.
BARS = 8
_WIDTH = 40
#: Columns beside a bar: the bound, the share, and between them.
_BESIDE: Final = 22


def latencies(rows: Iterable[tuple[str, Histogram, Histogram | None]]) -> Fitted:
    """Return a table of latencies: name, histogram, and those of it that are lower bounds."""
    names = (name if name != "p999" else "p99.9" for name in PERCENTILES)
    measured = [
        (name, *figures(histogram, at_least))
        for name, histogram, at_least in rows
        if histogram.counts
    ]
    return Fitted(["", "mean", *names, "max"], measured)


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


def percentiles(histogram: Histogram, *wanted: float) -> list[str]:
    """Show what so many percent are at or below; 100 is the longest. A dash: nothing was measured.

    :param wanted: in increasing order.
    """
    if not histogram.counts:
        return [NOTHING for _ in wanted]
    return [show_duration(value) for value in histogram.percentiles(wanted)]


@dataclass(frozen=True, slots=True)
class Bars:
    """A picture of a histogram: the latency doubles from line to line or more."""

    histogram: Histogram

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Give it, as wide as there is room for."""
        table = Table(box=None, pad_edge=False, show_header=False)
        rows = classes(self.histogram)
        most = max((count for _, count in rows), default=0)
        longest = min(_WIDTH, options.max_width - _BESIDE)
        for bound, count in rows:
            width = round(longest * 8 * count / most)
            bar = "█" * (width // 8) + (" ▏▎▍▌▋▊▉"[width % 8] if width % 8 else "")
            bar = bar or ("▏" if count else "")
            share = f"{count / self.histogram.total:.2%}"
            table.add_row(f"≤ {show_duration(bound)}", Text(share, justify="right"), bar)
        yield table


def classes(histogram: Histogram, lines: int = BARS) -> list[tuple[float, int]]:
    """Return ``lines`` classes at the most, as wide as each other on a log axis.

    :returns: the upper bound of each, in seconds, and how many there are in it.
    """
    if not histogram.counts:
        return []
    low, high = max(histogram.min, 1e-6), histogram.max
    if high <= low:
        return [(high, histogram.total)]
    factor = (high / low) ** (1 / lines)
    # Where latencies are all about the same, some bounds look the same, and are one.
    steps = [*(low * factor**n for n in range(1, lines)), high]
    bounds = list({show_duration(bound): bound for bound in steps}.values())
    counts = [0] * len(bounds)
    for micros, count in histogram:
        counts[min(bisect_left(bounds, micros / 1e6), len(bounds) - 1)] += count
    return list(zip(bounds, counts, strict=True))


def errors(tally: Tally) -> Fitted:
    """Return a table of errors: what, how many, and what to do about it."""
    rows = [
        (
            str(fault),
            f"{tally.lost_requests[fault]:,}",
            f"{tally.lost_connections[fault]:,}",
            plain(fault.advice),
        )
        for fault in faults(tally)
    ]
    head = ["errors", "requests", "connections", "what to do"]
    return Fitted(head, rows, words=frozenset({3}), style="bold red")


def faults(tally: Tally) -> list[Fault]:
    """Return the kinds of errors there are, the most frequent first."""
    kinds = dict.fromkeys([*tally.lost_requests, *tally.lost_connections])
    return sorted(kinds, key=lambda f: -(tally.lost_requests[f] + tally.lost_connections[f]))
