"""Where a command's output goes: to its files first, and then to people."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from ..agents import Crew
from ..conducting import CannotRun
from ..counts.hdr import CannotExport, write_log
from ..interrupting import keep
from ..metrics import exporting
from ..results import Result, Threshold
from ..views import Lines, Live, Silent, View, as_csv, as_text, console_for, plain
from . import status


class _NewFile(click.Path):
    """A file to write, of which it is known before a long run whether it has a place."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read ``value``; fail if its directory is not there."""
        path = Path(super().convert(value, param, ctx))  # type: ignore[arg-type]
        if not path.parent.is_dir():
            self.fail(f"there is no directory {str(path.parent)!r}", param, ctx)
        return path


#: A file to write.
FILE = _NewFile(dir_okay=False, writable=True, path_type=Path)
FORMS = click.Choice(["text", "json", "csv"])

Publish = Callable[[Crew], AbstractContextManager[Any]]
#: Where something is to be written, ``None``: nowhere; and what writes it.
Saving = tuple[Path | None, Callable[[Path], None]]


def fail(message: str, code: int = status.FAILED) -> NoReturn:
    """End the program with one line that says why."""
    say(message)
    sys.exit(code)


def say(message: str) -> None:
    """Say something on standard error, in one line, whatever is in it."""
    click.echo(f"loadgen: {plain(message)}", err=True)


def end(
    context: click.Context, code: int, show: Callable[[], object], *savings: Saving
) -> NoReturn:
    """End a command that has a result: save it, show it, and exit, whoever interrupts.

    :param code: the exit status, if all can be saved.
    """
    keep()
    failures = [why for path, write in savings if path and (why := _save(path, write))]
    show()
    for why in failures:
        say(f"the result could not be written: {why}")
    context.exit(status.FAILED if failures else code)


@dataclass(slots=True)
class Cut:
    """Whether a series of runs was cut short, as the exit status of what did it; 0: it was not."""

    status: int = status.OK


@contextmanager
def cut_short(anything: Callable[[], object]) -> Iterator[Cut]:
    """Carry out a series of runs in this block: what cuts it short leaves what there is by then.

    :param anything: whether there is anything; if not, it ends the command.
    """
    cut = Cut()
    try:
        yield cut
    except KeyboardInterrupt:
        if not anything():
            raise
        cut.status = status.INTERRUPTED
    except (CannotRun, OSError) as error:
        if not anything():
            fail(str(error))
        say(str(error))
        cut.status = status.FAILED


def json_to(out: Path | None, answer: dict[str, Any]) -> Saving:
    """Say that ``answer`` is to be saved as JSON."""
    return out, lambda path: _write(path, json.dumps(answer))


def hdr_to(hdr: Path | None, result: Result) -> Saving:
    """Say that response times are to be saved as an HdrHistogram log."""
    times = result.tally.response
    return hdr, partial(write_log, histogram=times, begun=result.begun, seconds=result.elapsed)


def view_of(title: str, *, quiet: bool) -> View:
    """Return how a run is shown while it goes on: on the terminal, or in lines."""
    if quiet:
        return Silent()
    console = console_for(stderr=True)
    return Live(console, title) if console.is_terminal else Lines(console, title)


def publisher(port: int | None) -> Publish:
    """Return what serves a crew's metrics on ``port``; ``None``: nothing does."""
    return (lambda crew: exporting(crew, port)) if port is not None else lambda _: nullcontext()


def show_answer(answer: dict[str, Any], form: str, as_text: Callable[[], object]) -> None:
    """Print an answer on standard output: as JSON, or for people."""
    if form == "json":
        click.echo(json.dumps(answer))
    else:
        as_text()


def show(result: Result, form: str, thresholds: tuple[Threshold, ...] = ()) -> None:
    """Print a result on standard output; thresholds are told on standard error if need be."""
    if form == "text":
        as_text(result, console_for(), thresholds)
        return
    text = as_csv(result) if form == "csv" else json.dumps(result.as_json()) + "\n"
    click.echo(text, nl=False)
    for line in (*(t.show(result) for t in thresholds), *result.doubts):
        say(line)


def _save(path: Path, write: Callable[[Path], None]) -> str:
    """Have it written; return why it could not be, if so."""
    try:
        write(path)
    except (OSError, CannotExport) as error:
        return str(error)
    return ""


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
