"""``python -m variants compare``: the command line."""

import os
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from dumb_async import ServiceNotFound
from dumb_async.hosting import Count, Parsed, Size, raise_descriptor_limit, read_share
from dumb_async.starting import started
from loadgen.commands import option_types as types
from loadgen.commands.streams import forgiving
from loadgen.plan import Mix
from loadgen.results.environment import machine, versions

from . import choosing, output
from .baseline import THRESHOLD
from .choosing import Contradiction
from .comparing import Comparing
from .contestants import Contestant
from .estimates import LEAST_ROUNDS
from .interrupting import interruptible, uninterrupted
from .output import Outcome
from .pinning import Cpus
from .report import NoReport, Report
from .study import WORKLOADS, Study, Workload
from .views import terminal

PAST: Final = 99
INTERRUPTED: Final = 130


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ValueError(f"{text!r} names nothing")
    return names


def _workload(text: str) -> Mapping[str, Workload]:
    name, equals, mix = text.partition("=")
    if equals and name.strip() not in WORKLOADS:
        return {name.strip(): Workload(Mix.parse(mix))}
    try:
        return {one: WORKLOADS[one] for one in _names(text)}
    except KeyError as error:
        known = ", ".join(WORKLOADS)
        raise ValueError(f"{error} is none of {known}, nor NAME=MIX such as b='BURN 10'") from None


def _connections(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(types.MANY.convert(one, None, None) for one in _names(text)))


def _threshold(text: str) -> float:
    share = read_share(text)
    if not share < 1:
        raise ValueError(f"{text!r} is not from 0 % to below 100 %")
    return share


def _list(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        for name, what in choosing.names().items():
            click.echo(f"{name:14} {what}")
        for name, workload in WORKLOADS.items():
            click.echo(f"{name:14} workload (for --workload): {workload}")
        context.exit()


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--list", is_flag=True, is_eager=True, expose_value=False, callback=_list,
              help="Say what there is to compare.")  # fmt: skip
@click.option("--only", type=Parsed("NAMES", _names), multiple=True,
              help="Of servers, scenarios and questions, see --list, these alone.")  # fmt: skip
@click.option("--target", "targets", type=Parsed("NAME=COMMAND", Contestant.parse),
              multiple=True, help="Another server, to be started by this command; {port} in it "
              "is where it is to listen.")  # fmt: skip
@click.option("--against", metavar="NAME",
              help="Whom to compare with.  [default: asyncio, or else the first]")  # fmt: skip
@click.option("--quick", is_flag=True, help="A choice of two minutes.")
@click.option("--workload", "workloads", type=Parsed("NAME|NAME=MIX", _workload),
              multiple=True, help="What is sent: names as --list has them, or one of your own: "
              "'pings=PING=9,WAIT 0.01=1'.  [default: all; --quick: ping,paced]")  # fmt: skip
@click.option("--connections", type=Parsed("N,...", _connections),
              help="How many; at a rate, the middle one of them.  "
              "[default: 1,10,100,1000,10000; --quick: 10,1000]")  # fmt: skip
@click.option("--rounds", type=Count(LEAST_ROUNDS), default=5,
              help="How often each load is measured.")  # fmt: skip
@click.option("-d", "--duration", "seconds", type=types.TIMEOUT,
              help="How long a load lasts.  [default: 500ms; --quick: 300ms]")  # fmt: skip
@click.option("--watch-rounds", type=types.MANY, default=1,
              help="How often each scenario is played.")  # fmt: skip
@click.option("--watch-duration", "watch_seconds", type=types.TIMEOUT,
              help="How long a bystander looks on.  [default: 2s; --quick: 500ms]")  # fmt: skip
@click.option("--timeout", type=types.TIMEOUT,
              help="When a request is given up.  [default: 2s; --quick: 1s]")  # fmt: skip
@click.option("--cpus", type=Parsed("SERVER:LOAD", Cpus.parse),
              help="CPUs, as in 0:1 or 0-1:2,4-5.  [default: the first : others]")  # fmt: skip
@click.option("--memory-limit", type=Size(),
              help="Address space of a server (RLIMIT_AS), such as 512M.")  # fmt: skip
@click.option("--service", default="", metavar="MODULE:NAME", show_default=False,
              help="The service that is served and spoken; needs --workload of its requests.  "
              "[default: PING, WAIT, BURN, STREAM]")  # fmt: skip
@click.option("--seed", type=types.COUNT, default=0, help="Of the order of things.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Where report.html, report.json and report.md go.  [default: "
              "compare-DATE-TIME; with --from: where that is]")  # fmt: skip
@click.option("--from", "source", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              metavar="FILE", help="Measure nothing: render this report.json again.")  # fmt: skip
@click.option("--baseline", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              metavar="FILE", help="A report.json to compare with.")  # fmt: skip
@click.option("--threshold", type=Parsed("PERCENT", _threshold), default=f"{THRESHOLD:.0%}",
              help="What may be worse than the baseline before the exit status is 99.")  # fmt: skip
@click.pass_context
def compare(
    context: click.Context,
    /,
    source: Path | None,
    baseline: Path | None,
    threshold: float,
    out: Path | None,
    **given: Any,
) -> None:
    """Find out which model holds, which breaks, and by how much.

    Starts servers one after the other, loads each with the load generator, and tells who stays
    responsive beside trouble, who scales, and which differences are real.

    Exit status: 0 done, whatever became of the servers; 1 nothing could be measured or written;
    2 usage; 99 worse than the baseline; 130 interrupted (what was measured is written).
    """
    code: int | None = None
    started()
    with forgiving() as stdout:
        try:
            with interruptible():
                old = output.load(baseline) if baseline else None
                report, where = _report(source, out, given)
                with uninterrupted():
                    against = given["against"] if source else None
                    outcome = Outcome.of(report, against, old, threshold)
                    code = _conclude(outcome, where, partial=report.partial and source is None)
        except (Contradiction, ServiceNotFound) as error:
            raise click.UsageError(str(error)) from None
        except (NoReport, output.CannotWrite) as error:
            _say(str(error))
            context.exit(1)
        except KeyboardInterrupt:
            if code is None:
                _say("interrupted before there was a result")
                code = INTERRUPTED
        stdout.flush()
        if stdout.error:
            _say(f"standard output could not be written: {stdout.error.strerror}")
            code = 1
    context.exit(code)


def _report(source: Path | None, out: Path | None, given: Mapping[str, Any]) -> tuple[Report, Path]:
    """Read a report or measure one; and say where it is to be."""
    if source is not None:
        report = output.load(source)
        if given["against"] not in {None, *report.contestants}:
            raise Contradiction(f"{given['against']!r} is not among those that are compared")
        return report, out or source.parent
    comparing = Comparing(_study(given))
    now = datetime.now().astimezone()
    where = output.prepare(out or Path(f"compare-{now:%Y%m%d-%H%M%S}"))
    return _measure(comparing), where


def _conclude(outcome: Outcome, where: Path, *, partial: bool) -> int:
    """Write all that came of it, show it, and return the exit status.

    :param partial: whether that was interrupted.
    """
    written, failure = output.write(where, outcome)
    terminal.show(outcome.sheets)
    if written is not None:
        click.echo(f"written: {written / 'report.html'}, report.json and report.md beside it")
    if failure:
        _say(failure)
        return 1
    if partial:
        _say("interrupted: the report is partial")
        return INTERRUPTED
    return PAST if outcome.past else 0


def _study(given: Mapping[str, Any]) -> Study:
    """Return what is asked for.

    :raises Contradiction: if that cannot be.
    """
    fields = ("connections", "rounds", "seconds", "watch_rounds", "watch_seconds", "timeout",
              "memory_limit", "seed")  # fmt: skip
    workloads: dict[str, Workload] = {}
    for some in given["workloads"]:
        workloads.update(some)
    if given["service"] and not workloads:
        raise Contradiction("--service needs --workload: which requests of it are to be sent?")
    return choosing.choose(
        [name for some in given["only"] for name in some],
        given["targets"],
        quick=given["quick"],
        against=given["against"],
        workloads=workloads,
        service=given["service"],
        cpus=given["cpus"],
        given={name: given[name] for name in fields},
    )


def _measure(comparing: Comparing) -> Report:
    """Carry out a study until its end, or until somebody interrupts."""
    study = comparing.study
    report = Report(study.as_json(), _again(), _now(), machine=machine(), versions=versions())
    raise_descriptor_limit()
    os.sched_setaffinity(0, study.cpus.load)  # whatever we do, the server has CPUs of its own
    console = Console(stderr=True, highlight=False)
    view = terminal.Live(console, study) if console.is_terminal else terminal.Lines(console)
    try:
        with interruptible(), view:
            for step in comparing.steps():
                view.begin(step)
                done = comparing.do(step)
                report.add(done)
                view.end(step, done)
    except (KeyboardInterrupt, SystemExit):  # rich ends the program where nobody reads
        report.partial = True
    report.ended = _now()
    return report


def _again() -> str:
    """The command line, as it was given."""
    return shlex.join(["python", "-m", "variants", *sys.argv[1:]])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _say(what: str) -> None:
    click.echo(f"compare: {what}", err=True)
