"""``selftest``: how fast this generator is on this machine, against a server that does nothing."""

import os
from collections.abc import Iterator
from functools import partial
from typing import Final

import click

from ..ceiling import Tested, measure, parts
from ..interrupting import keep
from ..null_server import NullServer
from ..plan.units import show_duration, show_quantity
from ..views import Fitted, console_for
from . import option_types as types
from . import status
from .output import cut_short, end, show_answer

SCHEMA: Final = "dumb_async.loadgen.selftest/1"


@click.command()
@click.option("-d", "--duration", type=types.TIMEOUT, default="2s", show_default=True,
              help="How long each part takes.")  # fmt: skip
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="The form of the result.")  # fmt: skip
@click.pass_context
def selftest(context: click.Context, duration: float, output: str) -> None:
    """Find the generator's own ceiling: load a server that does next to nothing.

    Where that server, which is Python as well, is the bottleneck, the generator can do more.
    """
    mine, others = _places()
    results: list[Tested] = []
    keep()
    with cut_short(lambda: results) as cut, NullServer(others) as server:
        for part in parts(duration):
            results.append(measure(part, server, mine))
            click.echo(f"{part.name}: {_shown(results[-1])}", err=True)
            if results[-1].result.interrupted:
                cut.status = status.INTERRUPTED
                break
    answer = {
        "schema": SCHEMA,
        "cpus": {"generator": list(mine), "server": list(others)},
        "interrupted": cut.status == status.INTERRUPTED,
        "parts": [result.as_json() for result in results],
    }
    shown = partial(show_answer, answer, output, partial(_show, results, apart=mine != others))
    end(context, cut.status or _status(results), shown)


def _places() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """CPUs for the generator and for the null server: different ones where there are two."""
    cpus = sorted(os.sched_getaffinity(0))
    return (cpus[-1],), (cpus[0],)


def _status(results: list[Tested]) -> int:
    """It failed where nothing was answered; errors are those of a machine that is too slow."""
    fine = all(one.result.tally.replies and not one.result.lost for one in results)
    return status.OK if fine else status.FAILED


def _show(results: list[Tested], *, apart: bool) -> None:
    head = ["part", "generator", "null server", "bottleneck", "result"]
    rows = [
        (one.name, f"{one.generator:.0%}", f"{one.server:.0%}", one.bottleneck, _shown(one))
        for one in results
    ]
    table = Fitted(head, rows, words=frozenset({3, 4}))
    console = console_for()
    console.print(table, soft_wrap=not console.is_terminal)
    if not apart:
        console.print("there is but one CPU, which both had to share", style="yellow")
    for one in results:
        if one.result.tally.errors:
            console.print(f"{one.name}: {one.result.tally.errors:,} errors", style="bold red")


def _shown(one: Tested) -> str:
    return ", ".join(_figures(one.figures))


def _figures(figures: dict[str, float]) -> Iterator[str]:
    for name, value in figures.items():
        unit = name.rpartition("_")[0].replace("_", " ")
        if name.endswith("_per_s"):
            yield f"{show_quantity(value)} {unit.removesuffix(' per')}/s"
        elif name.endswith("_s"):
            yield f"{unit} {show_duration(value)}"
        else:
            yield f"{value / 1024:.1f} KiB a connection" if value else "no memory was measured"
