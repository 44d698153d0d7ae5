"""``sweep``: the same load again and again, each time more of it."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from dumb_async.hosting import Parsed, read_count

from ..conducting import conduct
from ..plan import Profile
from ..plan.units import rate, show_quantity
from ..searching import Curve, Point
from ..views import Fitted, console_for, tables
from . import option_types as types
from . import status
from .load import Load, load_options, refuse, warn_of_descriptors
from .output import FILE, cut_short, end, json_to, show_answer

KINDS: Final = ("connections", "rate")
_REFUSED: Final = {
    "rate": "--over rate=... says it, and --over connections=... is a closed loop",
    "duration": "--step says how long each load lasts",
    "requests": "--step says how long each load lasts",
    "stages": "--over and --step say what is sent",
}
_REFUSED_OVER: Final = {
    "connections": {
        "connections": "--over says how many",
        "ramp": "all connections of a step are there from its beginning",
        "connect_rate": "all connections of a step are there from its beginning",
        "arrival": "it is of an open loop: use --over rate=...",
        "max_inflight": "it is of an open loop: use --over rate=...",
    },
    "rate": {"think": "who sends at a rate has no time to think"},
}


@dataclass(frozen=True, slots=True)
class Over:
    """What is increased, and to what."""

    kind: str
    values: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> "Over":
        """Read ``connections=1,10,100`` or ``rate=1k,2k,4k``.

        :raises ValueError: if it is neither.
        """
        kind, _, values = text.partition("=")
        if kind not in KINDS or not values:
            raise ValueError(f"{text!r} is not such as connections=1,10,100 or rate=1k,2k,4k")
        read = read_count if kind == "connections" else rate
        levels = tuple(sorted(float(read(value)) for value in values.split(",")))
        if not levels[0]:
            raise ValueError(f"{text!r} has a level that is not over 0")
        return cls(kind, levels)


@click.command()
@load_options
@click.option(
    "--over", type=Parsed("WHAT=LIST", Over.parse), required=True,
    help="connections=1,10,100 in a closed loop, or rate=1k,2k,4k in an open one.",
)  # fmt: skip
@click.option("--step", type=types.TIMEOUT, default="3s", show_default=True,
              help="How long each load lasts.")  # fmt: skip
@click.option(
    "--good", type=types.TIMEOUT, default="100ms", show_default=True,
    help="Within what a reply has to come to be of use: goodput counts those.",
)  # fmt: skip
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="The form of the result.")  # fmt: skip
@click.option("--out", type=FILE, help="Write the result as JSON to this file, too.")
@click.pass_context
def sweep(
    context: click.Context,
    load: Load,
    over: Over,
    step: float,
    good: float,
    output: str,
    out: Path | None,
) -> None:
    """Load the server at HOST:PORT more and more, and see where its knee is.

    After the highest load the lowest comes once more, to see whether the server recovers.
    """
    refuse(context, **_REFUSED, **_REFUSED_OVER[over.kind])
    curve = Curve(over.kind)
    with cut_short(lambda: bool(curve.points)) as cut:
        for value in over.values:
            curve.points.append(_measure(load, over.kind, value, step, good))
            if curve.points[-1].result.interrupted:
                break
        else:
            curve.afterwards = _measure(load, over.kind, over.values[0], step, good)
    answer = curve.as_json()
    shown = partial(show_answer, answer, output, partial(_show, curve))
    end(context, cut.status or _status(curve), shown, json_to(out, answer))


def _measure(load: Load, kind: str, value: float, step: float, good: float) -> Point:
    """Run one load.

    :raises CannotRun: if it did not come to that.
    """
    changes: dict[str, Any] = {"seconds": step}
    if kind == "rate":
        changes["rate"] = Profile.constant(value, step)
    else:
        changes["clients"] = Profile.constant(value, step)
    load = load.changed(**changes)
    warn_of_descriptors(load)
    result = conduct(load.job, load.arguments, workers=load.workers, cpus=load.cpus)
    point = Point(value, result, good)
    click.echo(f"{kind} {show_quantity(value)}: {show_quantity(point.goodput)}/s of use", err=True)
    return point


def _show(curve: Curve) -> None:
    head = [curve.over, "replies/s", "goodput/s", "p50", "p99", "max", "errors", ""]
    rows = [[*_row(point), "◀ knee" if point is curve.knee else ""] for point in curve.points]
    if curve.afterwards is not None:
        recovery = curve.recovery
        text = f"p99 {recovery:.2g} times that before" if recovery else "nothing was answered"
        rows.append([*_row(curve.afterwards), f"afterwards: {text}"])
    table = Fitted(head, rows, words=frozenset({len(head) - 1}))
    console = console_for()
    console.print(table, soft_wrap=not console.is_terminal)
    for point in curve.points:
        for doubt in point.result.doubts:
            console.print(f"INVALID at {show_quantity(point.offered)}: {doubt}", style="bold red")


def _row(point: Point) -> list[str]:
    return [
        show_quantity(point.offered),
        show_quantity(point.result.rate),
        show_quantity(point.goodput),
        *tables.percentiles(point.result.tally.response, 50, 99, 100),
        f"{point.result.tally.errors:,}",
    ]


def _status(curve: Curve) -> int:
    """The worst of all points."""
    found = [status.of(point.result) for point in curve.points]
    for code in (status.INTERRUPTED, status.FAILED, status.INVALID):
        if code in found:
            return code
    return status.OK
