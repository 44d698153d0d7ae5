"""What is shown while a run goes on."""

from time import monotonic
from types import TracebackType
from typing import Protocol, Self

from rich import live
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from ..counts import Tally
from ..plan.units import show_quantity
from . import tables
from .text import plain

#: Seconds between lines where there is no terminal.
EVERY = 1.0


class View(Protocol):
    """Shows how a run goes on."""

    #: Seconds between updates that it can show; 0: it shows none.
    interval: float

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def update(self, tally: Tally, done: float | None) -> None:
        """Show what is counted; ``done`` is the share of the run that is over, if known."""


class _Rate:
    """Replies a second since the last look."""

    def __init__(self) -> None:
        self._at, self._replies = monotonic(), 0

    def since(self, replies: int) -> float:
        """Return the rate, ``replies`` being the count now; it starts anew."""
        now = monotonic()
        gained, passed = replies - self._replies, now - self._at
        self._at, self._replies = now, replies
        return max(gained, 0) / passed if passed else 0.0


class Live:
    """A view for a terminal, drawn again and again in place."""

    interval = 0.5

    def __init__(self, console: Console, title: str) -> None:
        self._rate = _Rate()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(40),
            TextColumn("{task.percentage:3.0f}%"),
        )
        self._task = self._progress.add_task(plain(title), total=1.0)
        self._live = live.Live(self._progress, console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def update(self, tally: Tally, done: float | None) -> None:
        """Draw it."""
        if done is not None:
            self._progress.update(self._task, completed=min(done, 1.0))
        response = tally.response
        headline = (
            f"{show_quantity(self._rate.since(tally.replies))}/s   {tally.replies:,} replies"
            f"   {tally.connected:,} clients connected   {tally.errors:,} errors"
        )
        parts: list[RenderableType] = [self._progress, Text(headline, style="bold")]
        if response.counts:
            rows = [("response", response, tally.at_least), ("lag", tally.lag, None)]
            parts += [tables.latencies(rows), tables.Bars(response)]
        if tally.lost_requests or tally.lost_connections:
            parts.append(tables.errors(tally))
        self._live.update(Group(*parts), refresh=True)


class Lines:
    """A view for a pipe or a log: a line every second."""

    interval = EVERY

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = plain(title)
        self._begun = monotonic()
        self._rate = _Rate()

    def __enter__(self) -> Self:
        self._console.print(self._title)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def update(self, tally: Tally, done: float | None) -> None:  # noqa: ARG002 - as every view
        """Print a line."""
        p50, p99 = tables.percentiles(tally.response, 50, 99)
        rate = self._rate.since(tally.replies)
        self._console.print(
            f"{monotonic() - self._begun:6.1f} s  {show_quantity(rate)}/s"
            f"  p50 {p50}  p99 {p99}"
            f"  {tally.connected:,} connected  {tally.errors:,} errors",
        )


class Silent:
    """No view."""

    interval = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def update(self, tally: Tally, done: float | None) -> None:
        """Show nothing."""
