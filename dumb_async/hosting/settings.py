"""Every setting of the server: its name, default, range and meaning, written once.

The command line, the environment and `dumb_async.serve` are all made from this table.
"""

import sys
from dataclasses import Field, dataclass, field, fields
from typing import Any, Final

from ..protocol import LONGEST_SLEEP

#: What listen(2) takes.
_INT_MAX: Final = 2**31 - 1


def _setting(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    kind: str = "count",
) -> Any:
    """A field: ``kind`` says what whole numbers are of, so how they may be written."""
    metadata = {"help": help, "least": least, "most": most, "kind": kind}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a service is served. Times are in seconds, sizes in bytes.

    :raises ValueError: if a value is out of its range.
    """

    host: str = _setting(
        "127.0.0.1",
        "Address or name to listen on: all addresses of a name, 0.0.0.0 every IPv4, :: every IPv6 "
        "one, * or '' both.",
    )
    port: int = _setting(
        8090,
        "Port to listen on; 0 picks a free one and prints it.",
        least=0,
        most=65535,
        kind="port",
    )
    backlog: int = _setting(
        4096, "Connections that may wait to be accepted.", least=1, most=_INT_MAX
    )
    limit_line: int = _setting(
        1024, "Longest line, in bytes without its end.", least=1, kind="size"
    )
    limit_connections: int | None = _setting(
        None,
        "Clients served at a time; more get SERVER_BUSY.  [default: what the descriptors allow]",
        least=1,
    )
    limit_pipeline: int = _setting(
        256, "Pipelined requests answered before others have their turn.", least=1
    )
    timeout_idle: float = _setting(
        300.0,
        "Seconds without a request until a client is let go; 0: never.",
        least=0,
        most=LONGEST_SLEEP,
        kind="duration",
    )
    timeout_line: float = _setting(
        30.0,
        "Seconds for a line to end, from its first byte; 0: for ever.",
        least=0,
        most=LONGEST_SLEEP,
        kind="duration",
    )
    timeout_write: float = _setting(
        30.0,
        "Seconds a client may take nothing of its reply; 0: for ever.",
        least=0,
        most=LONGEST_SLEEP,
        kind="duration",
    )
    timeout_graceful: float = _setting(
        8.0,
        "Seconds for commands to finish once told to stop.",
        least=0,
        most=LONGEST_SLEEP,
        kind="duration",
    )
    access_log: bool = _setting(False, "Log every exchange: who, which commands, how long.")

    def __post_init__(self) -> None:
        for one in fields(self):
            _check(one, getattr(self, one.name))


def _check(one: Field[Any], value: Any) -> None:
    least, most = one.metadata["least"], one.metadata["most"]
    if value is None or least is None:
        return
    # Written so that NaN, which compares false with everything, is refused too.
    if not least <= value <= (sys.maxsize if most is None else most):
        raise ValueError(f"{one.name} is from {least} to {most or 'any number'}, not {value}")
