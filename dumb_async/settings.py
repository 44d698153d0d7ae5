"""Every setting of the server: its name, default, range and meaning, written once.

The command line, the environment and `dumb_async.serve` are all made from this table.
"""

import resource
from dataclasses import Field, dataclass, field, fields
from typing import Any, Final

#: Descriptors kept back from connections: listeners, loop, logs, scrapers, refusals.
RESERVED_DESCRIPTORS: Final = 100


def _setting(default: Any, help: str, *, least: float | None = None) -> Any:
    return field(default=default, metadata={"help": help, "least": least})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a service is served. Times are in seconds, sizes in bytes.

    :raises ValueError: if a value is out of its range.
    """

    host: str = _setting("127.0.0.1", "Address or name to listen on.")
    port: int = _setting(8090, "Port to listen on; 0 picks a free one and prints it.", least=0)
    backlog: int = _setting(4096, "Connections that may wait to be accepted.", least=1)
    limit_line: int = _setting(1024, "Longest line, in bytes without its end.", least=1)
    limit_connections: int | None = _setting(
        None,
        "Clients served at a time; more get SERVER_BUSY.  [default: what the descriptors allow]",
        least=1,
    )
    limit_pipeline: int = _setting(
        256, "Pipelined requests answered before others have their turn.", least=1
    )
    timeout_idle: float = _setting(
        300.0, "Seconds without a request until a client is let go; 0: never.", least=0
    )
    timeout_line: float = _setting(
        30.0, "Seconds for a line to end, from its first byte; 0: for ever.", least=0
    )
    timeout_write: float = _setting(
        30.0, "Seconds a client may take nothing of its reply; 0: for ever.", least=0
    )
    timeout_graceful: float = _setting(
        8.0, "Seconds for commands to finish once told to stop.", least=0
    )
    access_log: bool = _setting(False, "Log every exchange: who, which commands, how long.")

    def __post_init__(self) -> None:
        for one in fields(self):
            _check(one, getattr(self, one.name))
        if self.port > 65535:
            raise ValueError(f"port is 65535 at the most, not {self.port}")


def _check(one: Field[Any], value: Any) -> None:
    least = one.metadata["least"]
    # Written so that NaN, which compares false with everything, is refused too.
    if value is not None and least is not None and not least <= value < float("inf"):
        raise ValueError(f"{one.name} is a number, {least} or more, not {value}")


def raise_descriptor_limit() -> int:
    """Raise the soft limit of descriptors as far as it goes; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # an "unlimited" hard limit may be over what the kernel takes
        return soft
    return hard


def connections_allowed(settings: Settings) -> int:
    """How many clients to serve at a time: as set, or as many as the descriptors allow."""
    descriptors = raise_descriptor_limit()
    if settings.limit_connections is not None:
        return settings.limit_connections
    return max(descriptors - RESERVED_DESCRIPTORS, 1)
