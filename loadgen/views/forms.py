"""A result as text and as CSV."""

import csv
import io

from rich.console import Console, Group, RenderableType
from rich.text import Text

from ..counts import Histogram
from ..plan.units import show_duration, show_quantity
from ..results import LEAST, PERCENTILES, Result, Threshold
from . import tables
from .text import plain, quoted


def as_text(result: Result, console: Console, thresholds: tuple[Threshold, ...] = ()) -> None:
    """Print a result for people."""
    parts: list[RenderableType] = [Text(_headline(result), style="bold")]
    tally = result.tally
    if tally.response.counts:
        at_least = tally.at_least
        rows: list[tuple[str, Histogram, Histogram | None]] = [
            ("response", tally.response, at_least),
            ("service", tally.service, None),
            ("lag", tally.lag, None),
            ("connect", tally.connect, None),
        ]
        if len(tally.commands) > 1:
            rows += [(plain(name), c.response, c.at_least) for name, c in tally.commands.items()]
        parts += ["", tables.latencies(rows), "", tables.Bars(tally.response)]
    if tally.lost_requests or tally.lost_connections:
        parts += ["", tables.errors(tally)]
    parts += ["", *(Text(line) for line in _notes(result))]
    parts += [
        Text(t.show(result), style="green" if t.is_met(result) else "red") for t in thresholds
    ]
    parts += [Text(f"INVALID: {plain(doubt)}", style="bold red") for doubt in result.doubts]
    console.print(Group(*parts), soft_wrap=not console.is_terminal)


def as_csv(result: Result) -> str:
    """Return one line of figures for each request of the mix, and one for all; in seconds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    figures = ["min", "mean", *PERCENTILES, "max"]
    heads = [f"{kind}_{name}_s" for kind in ("response", "service") for name in figures]
    writer.writerow(["command", "sent", "replies", "rate_per_s", *heads, "errors", "valid"])
    tally = result.tally
    for name, counted in tally.commands.items():
        replies = counted.response.total - counted.at_least.total
        latencies = [*_row(counted.response), *_row(counted.service)]
        rate = replies / result.elapsed if result.elapsed else 0.0
        writer.writerow([plain(name), counted.sent, replies, f"{rate:.3f}", *latencies, "", ""])
    latencies = [*_row(tally.response), *_row(tally.service)]
    rest = [tally.errors, str(not result.doubts).lower()]
    writer.writerow(["(all)", tally.sent, tally.replies, f"{result.rate:.3f}", *latencies, *rest])
    return text.getvalue()


def _row(histogram: Histogram) -> list[str]:
    """Figures in seconds; empty ones where nothing was measured."""
    percentiles = histogram.percentiles(PERCENTILES.values())
    values = [histogram.min, histogram.mean, *percentiles, histogram.max]
    return [f"{value:.6f}" if histogram.counts else "" for value in values]


def _headline(result: Result) -> str:
    tally = result.tally
    replies = "1 reply" if tally.replies == 1 else f"{tally.replies:,} replies"
    text = f"{replies} in {show_duration(result.elapsed)}: {show_quantity(result.rate)}/s"
    if tally.planned and result.sending:
        rate = show_quantity(tally.sent / result.sending)
        text += f"; {tally.sent:,} of {tally.planned:,} planned were sent, {rate}/s"
    if result.interrupted:
        text += " (interrupted)"
    return text


def _notes(result: Result) -> list[str]:
    """What there is to know besides figures."""
    tally = result.tally
    notes = [f"clients: {tally.clients:,}, connections made: {tally.connections:,}"]
    used = [a.vitals.busy for a in result.agents if a.vitals and a.vitals.sending_s >= LEAST]
    if used:
        notes[0] += f"; generator: {max(used):.0%} of a CPU"
    if tally.never_served:
        notes.append(f"clients never served: {tally.never_served:,}")
    if tally.at_least.counts:
        notes.append("≥: some requests were given up; their figures are lower bounds")
    if result.wrong:
        asked, came = result.wrong
        notes.append(f"wrong reply: asked {quoted(asked)}, came {quoted(came)}")
    if result.lost:
        notes.append(f"PARTIAL: lost agents {plain(', '.join(result.lost))}")
    return notes
