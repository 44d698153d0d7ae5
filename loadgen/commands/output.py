"""Where a command's output goes."""

import contextlib
import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from ..agents import Crew
from ..counts.hdr import CannotExport, write_log
from ..metrics import exporting
from ..results import Result, Threshold
from ..views import Lines, Live, Silent, View, as_csv, as_text
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


def fail(message: str, code: int = status.FAILED) -> NoReturn:
    """End the program with one line that says why."""
    click.echo(f"loadgen: {message}", err=True)
    sys.exit(code)


def view_of(title: str, *, quiet: bool) -> View:
    """Return how a run is shown while it goes on: on the terminal, or in lines."""
    if quiet:
        return Silent()
    console = Console(stderr=True, highlight=False)
    return Live(console, title) if console.is_terminal else Lines(console, title)


def publisher(port: int | None) -> Publish:
    """Return what serves a crew's metrics on ``port``; ``None``: nothing does."""
    return (lambda crew: exporting(crew, port)) if port is not None else lambda _: nullcontext()


def show(result: Result, form: str, thresholds: tuple[Threshold, ...] = ()) -> None:
    """Print a result on standard output; thresholds are told on standard error if need be."""
    if form == "text":
        as_text(result, Console(highlight=False), thresholds)
        return
    text = as_csv(result) if form == "csv" else json.dumps(result.as_json()) + "\n"
    click.echo(text, nl=False)
    for line in (*(t.show(result) for t in thresholds), *result.doubts):
        click.echo(f"loadgen: {line}", err=True)


def save(result: Result, out: Path | None, hdr: Path | None) -> None:
    """Write a result to files; end the program if that can not be."""
    try:
        if out is not None:
            with contextlib.closing(out.open("w", encoding="utf-8")) as file:
                json.dump(result.as_json(), file)
        if hdr is not None:
            write_log(hdr, result.tally.response, result.begun, result.elapsed)
    except (OSError, CannotExport) as error:
        fail(f"the result could not be written: {error}")
