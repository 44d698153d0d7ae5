r"""A line-based TCP service, and the framework it is written with.

    service = Service("greeter")

    @service.command("ECHO")
    def echo(text: bytes) -> bytes:
        return text + b"\n"

    run(service)

See `Service` for commands, `serve` and `run` for serving them, `dumb_async.protocol`
for the core underneath.
"""

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
from .version import __version__

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
