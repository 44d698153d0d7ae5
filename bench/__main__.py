"""``python -m bench``: print every figure of the server beside its target."""

import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from bench.machine import BenchError, workbench
from bench.report import as_json, tables
from bench.suite import FIGURES, Plan, Results, run

INTERRUPTED = 130


def ours(loop: str) -> list[str]:
    """Return the command of our own server: every default, metrics on, any free ports."""
    server = [sys.executable, "-m", "dumb_async", "--loop", loop]
    return [*server, "--port", "{port}", "--metrics-port", "0"]


def chosen_figures(_context: click.Context, _parameter: click.Parameter, text: str) -> list[str]:
    """Split the names and refuse those that do not exist."""
    names = text.split(",")
    for name in names:
        if name not in FIGURES:
            raise click.BadParameter(f"{name!r} is none of {', '.join(FIGURES)}")
    return names


@click.command()
@click.option("--loops", default="uvloop,asyncio,trio", show_default=True,
              help="The loops of our own server to measure.")  # fmt: skip
@click.option("--only", default=",".join(FIGURES), show_default=True, callback=chosen_figures,
              help="The figures to measure.")  # fmt: skip
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
    loops: str,
    only: Sequence[str],
    rounds: int,
    seconds: float,
    json_file: Path | None,
    command: Sequence[str],
) -> None:
    """Measure our server, or the one a COMMAND with {port} in it starts, beside a floor in C.

    With a COMMAND, which follows --, our own loops are measured only where --loops asks for it.

    Every round starts the floor and the servers afresh and gives them turns on one CPU, while
    clients load them from another. Needs Linux, gcc, taskset and two CPUs.
    """
    commands: dict[str, Sequence[str]] = {}
    if not command or context.get_parameter_source("loops") is not ParameterSource.DEFAULT:
        commands = {loop: ours(loop) for loop in loops.split(",")}
    if command:
        commands["foreign"] = command
    measure(Plan(commands, only, rounds, seconds), json_file)


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
