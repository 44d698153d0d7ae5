"""``scenario``: what a bystander feels while others make trouble."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from ..engine import Target
from ..plan.units import show_duration, show_quantity
from ..results import Threshold
from ..scenarios import SCENARIOS, Beside, Made, Played, Scenario, Verdict, play_all
from ..views import Fitted, console_for, tables
from . import option_types as types
from . import status
from .output import FILE, cut_short, end, json_to, show_answer

SCHEMA: Final = "dumb_async.loadgen.scenario/1"
_STYLES: Final = {Verdict.HELD: "green", Verdict.MISSED: "bold red", Verdict.SKIPPED: "red"}


def _list(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        for scenario in SCENARIOS.values():
            click.echo(f"{scenario.name:12} {_title(scenario)}")
        context.exit()


@click.command()
@click.argument("target", type=types.TARGET, metavar="HOST:PORT")
@click.argument("names", nargs=-1, type=click.Choice(list(SCENARIOS)), metavar="[NAME]...")
@click.option("--list", "listed", is_flag=True, is_eager=True, expose_value=False, callback=_list,
              help="Say which scenarios there are.")  # fmt: skip
@click.option("-d", "--duration", type=types.TIMEOUT, default="3s", show_default=True,
              help="How long the bystander looks on, in each scenario.")  # fmt: skip
@click.option("-R", "--rate", type=types.RATE, default="200", show_default=True,
              help="The bystander's PINGs a second, whatever the server does.")  # fmt: skip
@click.option("--timeout", type=types.TIMEOUT, default="2s", show_default=True,
              help="When the bystander gives up a PING.")  # fmt: skip
@click.option("--patience", type=types.TIMEOUT, default="5s", show_default=True,
              help="How long the server may take to answer again after the trouble.")  # fmt: skip
@click.option("--clients", type=types.MANY, metavar="N",
              help="How many make trouble.  [default: as each scenario has it]")  # fmt: skip
@click.option("--slo", type=types.THRESHOLD, multiple=True, default=("p99<50ms",),
              show_default=True, help="What the bystander has to be given, besides having no "
              "errors; several: all of them.")  # fmt: skip
@click.option("--cpus", type=types.CPUS, default="", help="CPUs for the bystander.")
@click.option("--trouble-cpus", type=types.CPUS, default="", help="CPUs for the trouble.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="The form of the result.")  # fmt: skip
@click.option("--out", type=FILE, help="Write the result as JSON to this file, too.")
@click.pass_context
def scenario(
    context: click.Context,
    /,
    target: Target,
    names: tuple[str, ...],
    clients: int | None,
    duration: float,
    output: str,
    out: Path | None,
    **beside: Any,
) -> None:
    """Make trouble for the server at HOST:PORT, and see what a bystander feels of it.

    The bystander PINGs in an open loop while others, in a process of their own, misbehave in
    one way after the other: as all scenarios have it, or those of these NAMEs. The server has
    to speak PING, WAIT, BURN and STREAM.
    """
    every = [SCENARIOS[name] for name in dict.fromkeys(names)] or list(SCENARIOS.values())
    chosen = _sized(every, clients)
    looking_on = Beside(seconds=duration, **beside)
    results: list[Played] = []
    with cut_short(lambda: results) as cut:
        _play(chosen, target, looking_on, results, quiet=output == "json")
    if cut.status == status.FAILED:
        results += [Played(one, looking_on.slo, skipped=True) for one in chosen[len(results) :]]
    interrupted = cut.status == status.INTERRUPTED or results[-1].interrupted
    answer = {
        "schema": SCHEMA,
        "target": str(target),
        "slo": [condition.text for condition in looking_on.slo],
        "seconds": duration,
        "rate_per_s": looking_on.rate,
        "interrupted": interrupted,
        "scenarios": [played.as_json() for played in results],
    }
    shown = partial(show_answer, answer, output, partial(_show, results, looking_on.slo))
    code = status.INTERRUPTED if interrupted else _status(results)
    end(context, code, shown, json_to(out, answer))


def _sized(chosen: Sequence[Scenario], clients: int | None) -> list[Scenario]:
    """Give those who make trouble another number."""
    if clients is None:
        return list(chosen)
    return [replace(one, clients=clients) if one.kind else one for one in chosen]


def _play(
    chosen: Sequence[Scenario],
    target: Target,
    beside: Beside,
    results: list[Played],
    *,
    quiet: bool,
) -> None:
    """Play them until somebody interrupts; add what comes of each to ``results``."""
    for played in play_all(chosen, target, beside):
        results.append(played)
        if not quiet:
            click.echo(f"{played.scenario.name}: {played.verdict.value}", err=True)
        if played.interrupted:
            break


def _status(results: Sequence[Played]) -> int:
    found = {played.verdict for played in results}
    if any(played.bystander and played.bystander.wrong for played in results):
        return status.FAILED
    if found & {Verdict.MISSED, Verdict.SKIPPED}:
        return status.MISSED
    return status.INVALID if found & {Verdict.INVALID, Verdict.HOLLOW} else status.OK


def _show(results: Sequence[Played], slo: Sequence[Threshold]) -> None:
    head = ["scenario", "p50", "p99", "max", "errors", "verdict", "trouble"]
    styles = [_STYLES.get(played.verdict, "yellow") for played in results]
    rows = [_row(played) for played in results]
    table = Fitted(head, rows, words=frozenset({5, 6}), styles=styles)
    console = console_for()
    console.print(table, soft_wrap=not console.is_terminal)
    console.print(f"asked: {' and '.join(condition.text for condition in slo)}, and no errors")
    for played in results:
        for note in _notes(played):
            console.print(f"{played.scenario.name}: {note}")


def _row(played: Played) -> list[str]:
    if played.bystander is None:
        figures = ["never", "never", "never", ""]
    else:
        tally = played.bystander.tally
        figures = [*tables.percentiles(tally.response, 50, 99, 100), f"{tally.errors:,}"]
    return [played.scenario.name, *figures, played.verdict.value, _trouble(played)]


def _trouble(played: Played) -> str:
    """Say what trouble was made."""
    made, scenario = played.made, played.scenario
    if played.skipped:
        return "not made"
    if scenario.kind is None:
        return scenario.title
    parts = [f"{made.served:,} of {_title(scenario)}"]
    if made.held < made.served:
        parts.append(f"{made.held:,} held to the end")
    if made.replies > made.served:
        parts.append(f"{show_quantity(made.replies / made.seconds)} replies/s")
    if made.received > 1000 * made.clients:
        parts.append(f"{show_quantity(made.received / made.seconds)}B/s read")
    return "; ".join(parts)


def _title(scenario: Scenario) -> str:
    return f"{scenario.clients:,} {scenario.title}" if scenario.clients else scenario.title


def _notes(played: Played) -> list[str]:
    """What there is to know besides figures."""
    notes = [played.failure] if played.failure else []
    if played.skipped:
        return ["skipped: the server had not recovered from the trouble before"]
    if played.recovery is None and not played.interrupted:
        notes.append("after the trouble the server does not answer any more")
    elif played.recovery and played.recovery > 1:
        notes.append(f"it took {show_duration(played.recovery)} to answer again afterwards")
    if played.verdict is Verdict.HOLLOW:
        notes.append(_hollow(played.made))
    if played.verdict is Verdict.INVALID and played.bystander:
        notes += [f"INVALID: {doubt}" for doubt in played.bystander.doubts]
    return notes


def _hollow(made: Made) -> str:
    reason = f" ({made.error})" if made.error else ""
    return f"only {made.served:,} of {made.clients:,} clients got to make trouble{reason}"
