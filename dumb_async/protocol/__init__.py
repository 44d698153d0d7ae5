"""The protocol core: bytes in, actions out. No socket, clock, thread or ``await``.

Both sides of a connection, the service's table of commands, and nothing else. See
`connection` for the loop that any driver follows.
"""

from .actions import LONGEST_SLEEP, NEED_DATA, Action, Close, Compute, NeedData, Send, Sleep
from .arguments import InvalidArgument, decimal, integer
from .client import ClientConnection, Closed, Event, Reply, Request
from .config import Config
from .connection import Connection
from .core import Core
from .expectations import Expected, Outcome
from .foreign import PROTOCOLS, TLS_RECORD, protocol_of
from .replies import (
    INTERNAL_ERROR,
    INVALID_ARGUMENT,
    LINE_TOO_LONG,
    REFUSALS,
    SERVER_BUSY,
    UNKNOWN_COMMAND,
    WRONG_PROTOCOL,
)
from .running import ProtocolError
from .service import BadCommand, Command, Service

__all__ = [
    "INTERNAL_ERROR",
    "INVALID_ARGUMENT",
    "LINE_TOO_LONG",
    "LONGEST_SLEEP",
    "NEED_DATA",
    "PROTOCOLS",
    "REFUSALS",
    "SERVER_BUSY",
    "TLS_RECORD",
    "UNKNOWN_COMMAND",
    "WRONG_PROTOCOL",
    "Action",
    "BadCommand",
    "ClientConnection",
    "Close",
    "Closed",
    "Command",
    "Compute",
    "Config",
    "Connection",
    "Core",
    "Event",
    "Expected",
    "InvalidArgument",
    "NeedData",
    "Outcome",
    "ProtocolError",
    "Reply",
    "Request",
    "Send",
    "Service",
    "Sleep",
    "decimal",
    "integer",
    "protocol_of",
]
