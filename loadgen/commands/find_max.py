"""``find-max``: the highest rate at which a server still meets what is asked of it."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..conducting import conduct
from ..plan import Profile
from ..plan.units import show_duration, show_quantity
from ..results import Result, Threshold
from ..searching import Bisection
from . import option_types as types
from . import status
from .load import Load, load_options
from .output import FILE, Cut, cut_short, end, json_to, show_answer

#: The share of the planned requests that has to be answered for a rate to be held.
ACHIEVED = 0.99
#: How often the rate that was found is tried once more, each time a lower one.
CONFIRMATIONS = 3


@dataclass(slots=True)
class Search:
    """Runs at several rates.

    :param conditions: what each result has to meet.
    """

    load: Load
    conditions: tuple[Threshold, ...]
    seconds: float
    steps: list[dict[str, Any]] = field(default_factory=list)
    doubtful: bool = False
    interrupted: bool = False

    def holds(self, rate: float, times: int = 1) -> bool:
        """Whether the server holds ``rate``, for ``times`` as long as usual."""
        result = self._run(rate, self.seconds * times)
        if result.doubts and not result.interrupted:  # perhaps only somebody passing by
            result = self._run(rate, self.seconds * times)
        held = self._meets(result)
        if not held and result.doubts:
            self.doubtful = True
        self.steps.append(
            {"rate_per_s": rate, "held": held, "valid": not result.doubts,
             "result": result.as_json()}
        )  # fmt: skip
        click.echo(_line(rate, result, held=held), err=True)
        return held

    def _run(self, rate: float, seconds: float) -> Result:
        load = self.load.changed(rate=Profile.constant(rate, seconds), seconds=seconds)
        result = conduct(load.job, load.arguments, workers=load.workers, cpus=load.cpus)
        self.interrupted |= result.interrupted
        return result

    def _meets(self, result: Result) -> bool:
        tally = result.tally
        answered = tally.replies >= ACHIEVED * tally.planned > 0
        conditions = all(condition.is_met(result) for condition in self.conditions)
        return answered and conditions and not result.doubts


@click.command("find-max")
@load_options
@click.option("--slo", "conditions", type=types.THRESHOLD, multiple=True,
              default=("p99<50ms",), show_default=True,
              help="What has to be met; several: all of them.")  # fmt: skip
@click.option("--start", type=types.RATE, default="1k", show_default=True,
              help="The first rate that is tried.")  # fmt: skip
@click.option("--limit", type=types.RATE, default="1M", show_default=True,
              help="The highest rate that is tried.")  # fmt: skip
@click.option("--step", type=types.TIMEOUT, default="3s", show_default=True,
              help="How long each rate is tried; the last one twice as long.")  # fmt: skip
@click.option("--precision", type=click.FloatRange(0.001, 1), default=0.05, show_default=True,
              help="How near to the highest rate to come, as a share of it.")  # fmt: skip
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="The form of the result.")  # fmt: skip
@click.option("--out", type=FILE, help="Write the result as JSON to this file, too.")
@click.pass_context
def find_max(
    context: click.Context,
    load: Load,
    conditions: tuple[Threshold, ...],
    start: float,
    limit: float,
    step: float,
    precision: float,
    output: str,
    out: Path | None,
) -> None:
    """Find the highest rate at which the server at HOST:PORT meets all of --slo.

    It also has to answer 99 % of what is planned. Rates are doubled, then bisected, and the one
    found is tried once more. -d, -R, --stages and --think have no meaning here.
    """
    search, bisection = Search(load, conditions, step), Bisection(start, precision, highest=limit)
    with cut_short(lambda: search.steps) as cut:
        _find(search, bisection)
    search.interrupted |= cut.status == status.INTERRUPTED
    rate = bisection.held
    answer = {
        "schema": "dumb_async.loadgen.find-max/1",
        "max_rate_per_s": rate,
        "slo": [condition.text for condition in conditions],
        "limited_by_generator": search.doubtful,
        "interrupted": search.interrupted,
        "steps": search.steps,
    }
    shown = partial(show_answer, answer, output, partial(_show, rate, search, cut))
    end(context, cut.status or _status(rate, search), shown, json_to(out, answer))


def _find(search: Search, bisection: Bisection) -> None:
    """Find the highest rate that is held, also for longer: `Bisection.held`."""
    while bisection.next is not None and not search.interrupted:
        bisection.tell(held=search.holds(bisection.next))
    for _ in range(CONFIRMATIONS):
        if not bisection.held or search.interrupted or search.holds(bisection.held, times=2):
            break
        bisection.step_down()


def _line(rate: float, result: Result, *, held: bool) -> str:
    response = result.tally.response
    verdict = "held" if held else "invalid" if result.doubts else "missed"
    verdict = "cut off" if result.interrupted else verdict
    return (
        f"{show_quantity(rate):>8}/s  {verdict:8} {show_quantity(result.rate):>8}/s answered"
        f"  p50 {show_duration(response.percentile(50))}"
        f"  p99 {show_duration(response.percentile(99))}  {result.tally.errors:,} errors"
    )


def _show(rate: float, search: Search, cut: Cut) -> None:
    click.echo(_verdict(rate, search, cut))


def _verdict(rate: float, search: Search, cut: Cut) -> str:
    asked = " and ".join(condition.text for condition in search.conditions)
    if search.interrupted or cut.status:
        why = "interrupted" if search.interrupted else "cut short"
        return f"{why}; {show_quantity(rate)}/s was the highest held so far"
    if not rate:
        return f"not even the lowest rate tried was held with {asked}"
    text = f"{show_quantity(rate)}/s is the highest rate held with {asked}"
    if search.doubtful:
        text += "\nINVALID: the generator was the bottleneck at a higher one; the server may hold"
        text += " more: use --workers and --cpus"
    return text


def _status(rate: float, search: Search) -> int:
    if search.interrupted:
        return status.INTERRUPTED
    if search.doubtful:
        return status.INVALID
    return status.OK if rate else status.MISSED
