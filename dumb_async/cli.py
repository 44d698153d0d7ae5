"""The command line, made from the table of settings; every flag is also DUMB_<FLAG>."""

import math
import sys
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any, NoReturn, TypeVar

import click

from .commands import WaitUnit, dumb_service
from .loading import ServiceNotFound, load_service
from .logs import LogFormat, configure
from .protocol import LONGEST_SLEEP, Service
from .running import run
from .runtimes import NAMES
from .settings import Settings
from .version import __version__

F = TypeVar("F", bound=Callable[..., Any])


class _Amount(click.FloatRange):
    """A finite number: a range alone lets NaN through."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


_LEVELS = ["debug", "info", "warning", "error", "critical"]


def _type_of(setting: Field[Any]) -> Any:
    """The click type for a setting: its range, from the table."""
    if isinstance(setting.default, str):
        return click.STRING
    kind = _Amount if isinstance(setting.default, float) else click.IntRange
    return kind(min=setting.metadata["least"], max=setting.metadata["most"])


def settings_options(command: F) -> F:
    """Give a command one option for each field of `Settings`."""
    for setting in reversed(fields(Settings)):
        flag = "--" + setting.name.replace("_", "-")
        kind: dict[str, Any] = {"is_flag": True}
        if not isinstance(setting.default, bool):
            kind = {"type": _type_of(setting), "show_default": setting.default is not None}
        click.option(flag, default=setting.default, help=setting.metadata["help"], **kind)(command)
    return command


@click.command(
    context_settings={
        "auto_envvar_prefix": "DUMB",
        "show_default": True,
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
    epilog="Every option can also be given as an environment variable: --limit-line is "
    "DUMB_LIMIT_LINE. Exit status: 0 stopped on a signal, 1 could not listen or failed, 2 usage.",
)
@click.option(
    "--loop",
    type=click.Choice(["auto", *NAMES]),
    default="auto",
    help="Runtime to serve on; auto is uvloop where it is installed.",
)
@click.option(
    "--service",
    metavar="MODULE:NAME",
    help="Service to serve.  [default: PING, WAIT, BURN, STREAM]",
)
@settings_options
@click.option(
    "--wait-unit", type=click.Choice(["s", "ms"]), default="s", help="What WAIT counts in."
)
@click.option(
    "--limit-wait",
    type=_Amount(min=0, max=LONGEST_SLEEP),
    default=86_400.0,
    help="Longest WAIT, in seconds.",
)
@click.option(
    "--limit-burn", type=click.IntRange(0), default=10**12, help="Longest BURN, in iterations."
)
@click.option(
    "--limit-stream", type=click.IntRange(0), default=10**12, help="Longest STREAM, in bytes."
)
@click.option("--metrics-host", default="127.0.0.1", help="Address to serve metrics on.")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    default=9000,
    help="Port to serve metrics on; 0 picks a free one and prints it.",
)
@click.option("--no-metrics", is_flag=True, help="Serve no metrics.")
@click.option(
    "--log-level",
    type=click.Choice(_LEVELS, case_sensitive=False),
    default="info",
    help="Least severe messages to log.",
)
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", help="How to log."
)
@click.version_option(__version__, prog_name="dumb_async", allow_from_autoenv=False)
def main(
    loop: str,
    service: str | None,
    wait_unit: WaitUnit,
    limit_wait: float,
    limit_burn: int,
    limit_stream: int,
    metrics_port: int,
    no_metrics: bool,
    log_level: str,
    log_format: LogFormat,
    **options: Any,
) -> None:
    """Serve a line protocol over TCP: PING, WAIT, BURN and STREAM, or a service of your own."""
    configure(log_level, log_format)
    if service is None:
        commands = dumb_service(
            wait_unit=wait_unit,
            limit_wait=limit_wait,
            limit_burn=limit_burn,
            limit_stream=limit_stream,
        )
    else:
        commands = _named(service)
    port = None if no_metrics else metrics_port
    try:
        run(commands, loop=loop, metrics_port=port, **options)
    except ImportError as error:
        _fail(f"--loop {loop} cannot be used: {error}")
    except OSError as error:
        _fail(error.strerror or str(error))


def _named(service: str) -> Service:
    try:
        return load_service(service)
    except ServiceNotFound as error:
        raise click.BadParameter(str(error), param_hint="'--service'") from error


def _fail(message: str) -> NoReturn:
    click.echo(f"dumb_async: {message}", err=True)
    sys.exit(1)
