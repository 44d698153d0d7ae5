r"""A line-based TCP service, and the framework it is written with.

    service = Service("greeter")

    @service.command("ECHO")
    def echo(text: bytes) -> bytes:
        return text + b"\n"

    run(service)

See `Service` for commands, `serve` and `run` for serving them, `dumb_async.protocol`
for the core underneath.
"""

from importlib import import_module

from .version import __version__

TYPE_CHECKING = False  # that of typing, whose import is one of those that take their time

if TYPE_CHECKING:
    from .commands import dumb_service
    from .handler import Receive, handle
    from .hosting import ServiceNotFound, Settings, load_service
    from .protocol import (
        NEED_DATA,
        Action,
        Close,
        Compute,
        Config,
        Connection,
        Expected,
        InvalidArgument,
        Send,
        Service,
        Sleep,
        decimal,
        integer,
    )
    from .running import run
    from .server import Server, serve

__all__ = [
    "NEED_DATA",
    "Action",
    "Close",
    "Compute",
    "Config",
    "Connection",
    "Expected",
    "InvalidArgument",
    "Receive",
    "Send",
    "Server",
    "Service",
    "ServiceNotFound",
    "Settings",
    "Sleep",
    "__version__",
    "decimal",
    "dumb_service",
    "handle",
    "integer",
    "load_service",
    "run",
    "serve",
]

#: Where what is public is: imported when it is asked for, as a program has something to do before
#: (`starting`), and the load generator needs no server.
_WHERE = {
    "commands": ("dumb_service",),
    "handler": ("Receive", "handle"),
    "hosting": ("ServiceNotFound", "Settings", "load_service"),
    "running": ("run",),
    "server": ("Server", "serve"),
}


def __getattr__(name: str) -> object:
    """Import what is asked for; see PEP 562."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = next((where for where, names in _WHERE.items() if name in names), "protocol")
    value = globals()[name] = getattr(import_module(f".{module}", __name__), name)
    return value


def __dir__() -> list[str]:
    """What is public, imported or not."""
    return sorted({*globals(), *__all__})
