"""``dist``: a run from many machines."""

from functools import partial
from pathlib import Path
from typing import Final

import click

from ..dist import CannotShare, NoDask, share_out
from ..results import Threshold
from . import option_types as types
from . import status
from .load import load_of, warn_of_refusals
from .output import FILE, FORMS, end, fail, hdr_to, json_to, say, show
from .run import run

#: What agents are not to do, as it is done with the sum.
_NOT_FOR_AGENTS: Final = {"metrics_port", "share", "on_leash"}


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED,
                metavar="HOST:PORT [OPTIONS OF run]...")  # fmt: skip
@click.option("--agents", type=types.MANY, default="2", show_default=True,
              help="How many share the load: each on a worker of its own.")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS",
              help="Dask's: tcp://HOST:8786.  [default: a cluster of this machine]")  # fmt: skip
@click.option("--start-in", type=types.TIMEOUT, default="1s", show_default=True,
              help="When all begin, once all have connected.")  # fmt: skip
@click.option("--patience", type=types.TIMEOUT, default="60s", show_default=True,
              help="How long agents may take to connect.")  # fmt: skip
@click.option("-o", "--output", type=FORMS, default="text", show_default=True,
              help="The form of the result.")  # fmt: skip
@click.option("--out", type=FILE, help="Write the result as JSON to this file, too.")
@click.option("--hdr", type=FILE, help="Write response times to this file, as an HdrHistogram log.")
@click.option("--threshold", "thresholds", type=types.THRESHOLD, multiple=True,
              help="What the result has to meet: 'p99<50ms', 'errors<0.1%'.")  # fmt: skip
@click.pass_context
def dist(
    context: click.Context,
    arguments: tuple[str, ...],
    agents: int,
    scheduler: str | None,
    start_in: float,
    patience: float,
    output: str,
    out: Path | None,
    hdr: Path | None,
    thresholds: tuple[Threshold, ...],
) -> None:
    """Load the server at HOST:PORT from many machines at once, and add up what they see.

    Each agent is `python -m loadgen run` on a worker of Dask, with every N-th request and
    connection of one plan; all begin at the same instant of their clocks.
    """
    _check(context, arguments)
    try:
        result = share_out(
            arguments,
            agents,
            scheduler=scheduler,
            start_in=start_in,
            patience=patience,
            tell=say,
        )
    except NoDask as error:
        fail(str(error), status.USAGE)
    except CannotShare as error:
        fail(str(error))
    shown = partial(show, result, output, thresholds)
    code = status.of(result, thresholds)
    end(context, code, shown, json_to(out, result.as_json()), hdr_to(hdr, result))


def _check(context: click.Context, arguments: tuple[str, ...]) -> None:
    """See that agents will understand it.

    :raises click.UsageError: if not.
    """
    with run.make_context("dist", list(arguments), parent=context.parent) as inner:
        given = {name for name in _NOT_FOR_AGENTS if name in inner.params}
        for name in given:
            source = inner.get_parameter_source(name)
            if source is not None and source.name == "COMMANDLINE":
                raise click.UsageError(f"--{name.replace('_', '-')} is not for agents")
        warn_of_refusals(load_of(inner.params["target"], inner.params))
