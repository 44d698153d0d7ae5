"""``run``: load a server, and say how it did."""

from functools import partial
from pathlib import Path

import click

from .. import leash
from ..conducting import CannotRun, conduct
from ..plan import Share
from ..results import Threshold
from . import option_types as types
from . import status
from .load import Load, load_options
from .output import FILE, FORMS, end, fail, hdr_to, json_to, publisher, show, view_of


@click.command()
@load_options
@click.option("-o", "--output", type=FORMS, default="text", show_default=True,
              help="The form of the result.")  # fmt: skip
@click.option("--out", type=FILE, help="Write the result as JSON to this file, too.")
@click.option("--hdr", type=FILE, help="Write response times to this file, as an HdrHistogram log.")
@click.option("--metrics-port", type=click.IntRange(0, 65535),
              help="Serve metrics on this port while it runs; 0 picks a free one.")  # fmt: skip
@click.option("--threshold", "thresholds", type=types.THRESHOLD, multiple=True,
              help="What the result has to meet: 'p99<50ms', 'errors<0.1%'.")  # fmt: skip
@click.option("--quiet", "-q", is_flag=True, help="Show nothing while it runs.")
@click.option("--share", type=types.SHARE, default="0/1", hidden=True)
@click.option("--leash", "on_leash", is_flag=True, hidden=True)
@click.pass_context
def run(
    context: click.Context,
    load: Load,
    output: str,
    out: Path | None,
    hdr: Path | None,
    metrics_port: int | None,
    thresholds: tuple[Threshold, ...],
    quiet: bool,
    share: Share,
    on_leash: bool,
) -> None:
    """Load the server at HOST:PORT, and say how it did."""
    load = load.changed(share=share)
    try:
        result = conduct(
            load.job,
            load.arguments,
            workers=load.workers,
            cpus=load.cpus,
            view=view_of(f"{load.job.plan.mix} at {load.job.target}", quiet=quiet),
            publish=publisher(metrics_port),
            start=leash.begin if on_leash else None,
        )
    except (CannotRun, OSError) as error:
        fail(str(error))
    shown = partial(show, result, output, thresholds)
    code = status.of(result, thresholds)
    end(context, code, shown, json_to(out, result.as_json()), hdr_to(hdr, result))
