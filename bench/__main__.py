"""``python -m bench``: print every figure of the server beside its target."""

import json
import platform
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from bench.machine import BenchError, workbench
from bench.plan import FIGURES, GENERATOR, WORKERS, Commands, Plan, Results
from bench.report import as_json, tables
from bench.suite import run
from bench.targets import FOREIGN, LOOPS, NESTED, VARIANTS

INTERRUPTED = 130

Split = Callable[[click.Context, click.Parameter, str], list[str]]


def ours(loop: str) -> list[str]:
    """Return the command of our own server: every default, metrics on, any free ports."""
    server = [sys.executable, "-m", "dumb_async", "--loop", loop]
    return [*server, "--port", "{port}", "--metrics-port", "0"]


def bare(loop: str) -> list[str]:
    """Return the command of the bare protocol of a loop."""
    return [sys.executable, "-m", "bench.bare", loop, "{port}"]


def variant(name: str) -> list[str]:
    """Return the command of a contrast server, also with its defaults."""
    model = ["nested", "--loop", NESTED[name]] if name in NESTED else [name]
    server = [sys.executable, "-m", "variants", *model]
    return [*server, "--port", "{port}", "--metrics-port", "0"]


def names_among(known: Collection[str]) -> Split:
    """Return what splits names after commas, which may be none, and refuses unknown ones."""

    def split(_context: click.Context, _parameter: click.Parameter, text: str) -> list[str]:
        names = [name for name in text.split(",") if name not in {"", "none"}]
        for name in names:
            if name not in known:
                raise click.BadParameter(f"{name!r} is none of {', '.join(known)}")
        return names

    return split


@click.command()
@click.option("--loops", default="uvloop,asyncio,trio", show_default=True,
              callback=names_among(LOOPS),
              help="The loops of our own server to measure; none: none.")  # fmt: skip
@click.option("--variants", default="none", show_default=True, callback=names_among(VARIANTS),
              help=f"The contrast servers to measure too: {','.join(VARIANTS)}.")  # fmt: skip
@click.option("--only", default="", callback=names_among(FIGURES),
              show_default=f"all, {WORKERS} only beside --variants",
              help=f"The figures to measure: {','.join(FIGURES)}.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True,
              help="How often each is measured; the bystander in every other round.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=0.6, show_default=True,
              help="How long each closed loop of a round takes, after its warm-up.")  # fmt: skip
@click.option("--json", "json_file", type=click.Path(dir_okay=False, writable=True, path_type=Path),
              help="Write all figures and their rounds to this file too.")  # fmt: skip
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def main(
    context: click.Context,
    loops: Sequence[str],
    variants: Sequence[str],
    only: Sequence[str],
    rounds: int,
    seconds: float,
    json_file: Path | None,
    command: Sequence[str],
) -> None:
    """Measure our server, or the one a COMMAND with {port} in it starts, beside a floor in C.

    With a COMMAND, which follows --, our own loops are measured only where --loops asks for it.

    Every round starts the floor, the servers and the bare protocols of our loops afresh and gives
    them turns on one CPU, while clients load them from another. Needs Linux, gcc, taskset and two
    CPUs.

    The figure workers is that of epoll-workers, whatever else is measured: two workers on both
    CPUs beside one on one.
    """
    if command and context.get_parameter_source("loops") is ParameterSource.DEFAULT:
        loops = ()
    commands = chosen_commands(loops, variants, command)
    figures = only or [name for name in FIGURES if name != WORKERS or variants]
    if not commands and not {WORKERS, GENERATOR} & {*only}:
        raise click.UsageError("There is nothing to measure: no loop, no variant, no COMMAND.")
    beside = {loop: bare(loop) for loop in loops}
    measure(Plan(commands, figures, rounds, seconds, beside), json_file)


def chosen_commands(
    loops: Sequence[str], variants: Sequence[str], command: Sequence[str]
) -> Commands:
    """Return the commands of the servers to measure, by their names in the tables."""
    commands: dict[str, Sequence[str]] = {loop: ours(loop) for loop in loops}
    commands |= {name: variant(name) for name in variants}
    return {**commands, FOREIGN: command} if command else commands


def measure(plan: Plan, json_file: Path | None) -> None:
    """Run the plan and print what came of it, also when it was interrupted."""
    results, status = Results(), 0
    try:
        with workbench() as bench:
            click.echo(
                f"CPython {platform.python_version()}, Linux {platform.release()}; rounds: "
                f"{plan.rounds}; server on CPU {bench.server_cpu}, clients on CPU "
                f"{bench.client_cpu}\n"
            )
            run(bench, plan, results, progress)
    except (BenchError, OSError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        results.failures.append("the rest: interrupted")
        status = INTERRUPTED
    progress("")
    click.echo(tables(results))
    if json_file:
        json_file.write_text(json.dumps(as_json(plan, results), indent=2) + "\n")
    sys.exit(status or bool(results.failures))


def progress(what: str) -> None:
    """Say on a terminal's standard error what is being measured."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{what}", err=True, nl=False)


if __name__ == "__main__":
    main(prog_name="python -m bench")
