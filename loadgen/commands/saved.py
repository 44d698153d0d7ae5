"""``merge`` and ``report``: results that were saved."""

import json
from functools import partial
from pathlib import Path

import click

from ..results import NoResult, Result, Threshold, doubts, merge
from . import option_types as types
from . import status
from .output import FILE, FORMS, end, fail, hdr_to, json_to, show

SAVED = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("merge")
@click.argument("files", type=SAVED, nargs=-1, required=True, metavar="FILE...")
@click.option("--out", type=FILE, help="Write the result to this file, not to standard output.")
@click.pass_context
def merge_command(context: click.Context, files: tuple[Path, ...], out: Path | None) -> None:
    """Add up results that were saved with --out: those of runs side by side.

    Their counts are added, so percentiles are those of all requests together.
    """
    result = merge([_read(file) for file in files])
    result.doubts = list(dict.fromkeys([*result.doubts, *doubts(result)]))
    answer = result.as_json()
    shown = (lambda: click.echo(json.dumps(answer))) if out is None else (lambda: None)
    end(context, status.OK, shown, json_to(out, answer))


@click.command("report")
@click.argument("file", type=SAVED)
@click.option("-o", "--output", type=FORMS, default="text", show_default=True,
              help="The form of the report.")  # fmt: skip
@click.option("--hdr", type=FILE, help="Write response times to this file, as an HdrHistogram log.")
@click.option("--threshold", "thresholds", type=types.THRESHOLD, multiple=True,
              help="What the result has to meet: 'p99<50ms', 'errors<0.1%'.")  # fmt: skip
@click.pass_context
def report(
    context: click.Context,
    file: Path,
    output: str,
    hdr: Path | None,
    thresholds: tuple[Threshold, ...],
) -> None:
    """Show a result that was saved with --out, and exit as its run would have."""
    result = _read(file)
    shown = partial(show, result, output, thresholds)
    end(context, status.of(result, thresholds), shown, hdr_to(hdr, result))


def _read(file: Path) -> Result:
    try:
        return Result.from_json(file.read_bytes())
    except (NoResult, OSError) as error:
        fail(f"{file} is no result: {error}", status.USAGE)
