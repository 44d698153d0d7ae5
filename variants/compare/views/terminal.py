"""A comparison on a terminal: live while it goes on, and what came of it."""

from collections.abc import Iterable, Sequence
from time import monotonic
from types import TracebackType
from typing import Final, Protocol, Self

from rich import live
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from loadgen.plan.units import show_duration, show_quantity
from loadgen.scenarios import Scenario
from loadgen.views import Sheet, console_for, parts, show_sheet

from ..comparing import Done, Step
from ..diagnosis import State, state_of
from ..report import Observation
from ..study import Load, Study

_STYLES: Final = {
    State.RESPONSIVE: "green",
    State.UNTROUBLED: "yellow",
    State.SLOW: "bold yellow",
    State.PARALYSED: "bold red",
    State.FAILED: "red",
}


class View(Protocol):
    """Shows how a comparison goes on."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def begin(self, step: Step) -> None:
        """Show what is about to be measured."""

    def end(self, step: Step, done: Done) -> None:
        """Show what came of it."""


class Live:
    """Tables that fill, drawn anew between measurements and never in one."""

    def __init__(self, console: Console, study: Study) -> None:
        self._study = study
        self._cells: dict[tuple[str, str], Text] = {}
        self._workload = ""  # whose loads are shown
        self._progress = Progress(
            TextColumn("{task.completed:.0f} of {task.total:.0f}"), BarColumn(30),
            TimeRemainingColumn(), TextColumn("{task.description}"),
            auto_refresh=False,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=study.measurements)
        self._live = live.Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.update(Text(""), refresh=True)
        self._live.__exit__(kind, error, traceback)

    def begin(self, step: Step) -> None:
        """Show what is about to be measured."""
        if isinstance(step.block.cell, Load):
            self._workload = step.block.cell.workload
        self._progress.update(self._task, completed=step.number, description=titled(step))
        self._draw()

    def end(self, step: Step, done: Done) -> None:
        """Show what came of it."""
        self._cells[done.contestant, _column(step.block.cell)] = _cell(done)
        self._progress.update(self._task, completed=step.number + 1)

    def _draw(self) -> None:
        parts: list[RenderableType] = [self._progress]
        if self._study.scenarios and self._study.watch_rounds:
            names = [one.name for one in self._study.scenarios]
            parts.append(self._table("p99 of a bystander's PING beside", names))
        if self._workload:
            loads = [load for load in self._study.loads if load.workload == self._workload]
            parts.append(self._table("requests/s, last round", [_column(load) for load in loads]))
        self._live.update(Group(*parts), refresh=True)

    def _table(self, title: str, columns: list[str]) -> Table:
        part = self._part(["", *columns])
        table = Table(title=title, box=None, pad_edge=False, title_justify="left")
        for column, width in part.items():
            name = columns[column - 1] if column else ""
            table.add_column(name, justify="right" if column else "left", width=width)
        for one in self._study.contestants:
            shown = (columns[column - 1] for column in part if column)
            cells = [self._cells.get((one.name, column), Text("")) for column in shown]
            table.add_row(Text(one.name), *cells)
        return table

    def _part(self, columns: list[str]) -> dict[int, int]:
        """The columns that there is room for, with the one that was begun last among them."""
        nothing = Text("")
        rows: list[Sequence[str]] = [
            [
                one.name,
                *(self._cells.get((one.name, column), nothing).plain for column in columns[1:]),
            ]
            for one in self._study.contestants
        ]
        begun = {column for row in rows for column, text in enumerate(row) if column and text}
        fitting = parts(columns, rows, 1, self._live.console.width)
        return next(part for part in fitting if max(begun, default=1) in part)


class Lines:
    """A line for each measurement, where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def begin(self, step: Step) -> None:
        """Say nothing yet."""

    def end(self, step: Step, done: Done) -> None:
        """Say what came of it."""
        passed = monotonic() - self._begun
        line = f"{step.number + 1}/{step.of} {passed:.0f} s: {titled(step)}: {_cell(done)}"
        self._console.print(Text(line), soft_wrap=True)


def titled(step: Step) -> str:
    """What a step is, in a line."""
    again = " (again)" if step.entry.again else ""
    cell, number = _column(step.block.cell), step.block.number + 1
    return f"{step.entry.contestant.name}{again}, {cell}, round {number}"


def show(sheets: Iterable[Sheet]) -> None:
    """Print what came of it on standard output."""
    console = console_for()
    for sheet in sheets:
        show_sheet(sheet, console)
        console.print()


def _column(cell: Load | Scenario) -> str:
    return f"{cell.workload} {cell.connections:,}" if isinstance(cell, Load) else cell.name


def _cell(done: Done) -> Text:
    if isinstance(done, Observation):
        style = _STYLES[state_of(done)]
        if done.result is None or not done.result.tally.replies:
            return Text("failed" if done.failure else "NEVER", style=style)
        return Text(show_duration(done.result.tally.response.percentile(99)), style=style)
    if done.failure or done.result is None:
        return Text("failed", style="red")
    style = "yellow" if done.result.doubts else ""
    never = done.result.tally.never_served
    text = show_quantity(done.result.rate)
    return Text(f"{text}, {never:,} never served", style="bold red") if never else Text(text, style)
