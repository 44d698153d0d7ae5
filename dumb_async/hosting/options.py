"""The command line of every server here, made from the table of settings.

Every flag is also DUMB_<FLAG>.
"""

import functools
import signal
import sys
from collections.abc import Callable
from dataclasses import Field, dataclass, fields
from typing import Any, Final, NoReturn

import click

from ..commands import dumb_service
from ..protocol import LONGEST_SLEEP, Service
from ..starting import SIGNALS
from ..version import __version__
from .loading import ServiceNotFound, load_service, search_current_folder
from .logs import configure
from .parameters import Count, Duration, Parsed, Port, Size
from .resources import limit_memory, pin, raise_descriptor_limit, read_cpus
from .settings import Settings
from .units import AMOUNTS
from .variables import parameter, with_variables

#: For `click.command`: how every server's command line behaves.
CONTEXT: Final[dict[str, Any]] = {
    "auto_envvar_prefix": "DUMB",
    "show_default": True,
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
}
EPILOG: Final = (
    f"{AMOUNTS} Every option can also be given as an environment variable: --limit-line is "
    "DUMB_LIMIT_LINE; an empty one is as none. "
    "Exit status: 0 stopped on a signal, 1 could not listen or failed, 2 usage."
)

_LEVELS = ["debug", "info", "warning", "error", "critical"]


@dataclass(frozen=True, slots=True)
class Launch:
    """What a command line has asked for.

    :param metrics_port: where to serve metrics; ``None``: nowhere.
    """

    service: Service
    settings: Settings
    metrics_host: str
    metrics_port: int | None


_KINDS: Final[dict[str, Any]] = {"count": Count, "duration": Duration, "port": Port, "size": Size}


def _type_of(setting: Field[Any]) -> Any:
    """The click type for a setting: its kind and its range, from the table."""
    if isinstance(setting.default, str):
        return click.STRING
    kind = _KINDS[setting.metadata["kind"]]
    return kind(min=setting.metadata["least"], max=setting.metadata["most"])


def _option_of(setting: Field[Any]) -> Callable[[Any], Any]:
    flag = "--" + setting.name.replace("_", "-")
    kind: dict[str, Any] = {"is_flag": True}
    if not isinstance(setting.default, bool):
        kind = {"type": _type_of(setting), "show_default": setting.default is not None}
    return click.option(flag, default=setting.default, help=setting.metadata["help"], **kind)


_SERVICE: Final = (
    click.option(
        "--service",
        metavar="MODULE:NAME",
        help="Service to serve.  [default: PING, WAIT, BURN, STREAM]",
    ),
)
_COMMANDS: Final = (
    click.option(
        "--wait-unit", type=click.Choice(["s", "ms"]), default="s", help="What WAIT counts in."
    ),
    click.option(
        "--limit-wait",
        type=Duration(min=0, max=LONGEST_SLEEP),
        default=86_400.0,
        help="Longest WAIT, in seconds.",
    ),
    click.option(
        "--limit-burn", type=Count(min=0), default=10**12, help="Longest BURN, in iterations."
    ),
    click.option(
        "--limit-stream", type=Size(min=0), default=10**12, help="Longest STREAM, in bytes."
    ),
)
_PROCESS: Final = (
    click.option(
        "--cpus",
        type=Parsed("LIST", lambda text: frozenset(read_cpus(text))),
        help="CPUs to run on, as taskset takes them: 0,2-3.",
    ),
    click.option(
        "--memory-limit",
        type=Size(),
        help="Address space to make do with, such as 256M (RLIMIT_AS); who does not fit in is "
        "refused.",
    ),
    click.option(
        "--metrics-host",
        default="127.0.0.1",
        help="Address or name to serve metrics on, as --host has it.",
    ),
    click.option(
        "--metrics-port",
        type=Port(min=0, max=65535),
        default=9000,
        help="Port to serve metrics on; 0 picks a free one and prints it.",
    ),
    click.option("--no-metrics", is_flag=True, help="Serve no metrics."),
    click.option(
        "--log-level",
        type=click.Choice(_LEVELS, case_sensitive=False),
        default="info",
        help="Least severe messages to log.",
    ),
    click.option(
        "--log-format", type=click.Choice(["text", "json"]), default="text", help="How to log."
    ),
    click.version_option(__version__, prog_name="dumb_async", allow_from_autoenv=False),
)


def server_options(serve: Callable[..., None]) -> Callable[..., None]:
    """Give a click command every option of a server.

    ``serve`` is called with a `Launch` and the values of options of its own. Its logs are
    set up by then, its CPUs and memory are as asked for, its limit of descriptors is raised, and
    SIGTERM and SIGINT are blocked.
    What it cannot listen on or get, an `OSError`, is said in one line, with exit status 1.
    """

    @functools.wraps(serve)
    def command(**given: Any) -> None:
        configure(given.pop("log_level"), given.pop("log_format"))
        raise_descriptor_limit()
        own = {one.name: given.pop(one.name) for one in fields(Settings)}
        try:
            _confine(given.pop("cpus"), given.pop("memory_limit"))
            host, port = given.pop("metrics_host"), given.pop("metrics_port")
            port = None if given.pop("no_metrics") else port
            launch = Launch(_service(given), Settings(**own), host, port)
            # To the end: who asks again on our way out gets the same status.
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            serve(launch, **given)
        except OSError as error:
            fail(with_variables(error.strerror or str(error)))
        except MemoryError:
            fail("there is not enough memory, see --memory-limit")

    options = (*_SERVICE, *map(_option_of, fields(Settings)), *_COMMANDS, *_PROCESS)
    for option in reversed(options):
        option(command)
    return command


def fail(message: str) -> NoReturn:
    """End the program with status 1 and one line that says why."""
    click.echo(f"dumb_async: {message}", err=True)
    sys.exit(1)


def _confine(cpus: frozenset[int] | None, memory: int | None) -> None:
    if cpus is not None:
        pin(cpus)
    if memory is not None:
        limit_memory(memory)


def _service(given: dict[str, Any]) -> Service:
    """Take the service out of what was given."""
    limits = {name: given.pop(name) for name in ("limit_wait", "limit_burn", "limit_stream")}
    wait_unit, name = given.pop("wait_unit"), given.pop("service")
    if name is None:
        return dumb_service(wait_unit=wait_unit, **limits)
    search_current_folder()
    try:
        return load_service(name)
    except ServiceNotFound as error:
        raise click.BadParameter(str(error), param=parameter("service")) from error
