"""All of a server but its concurrency: what every driver of the core needs besides a model.

The command line and its settings; listening sockets and the acceptance of clients; a
session for each of them, with deadlines; counters, metrics, logs. Nothing in here runs by
itself (but the metrics page, which has a thread): the runtimes of `dumb_async` and the
variants each drive it in their own way.
"""

from .acceptor import BURST, EXHAUSTED, PAUSE, REFUSALS_AT_A_TIME, Acceptor, NoRoom
from .access_log import AccessLog, LoggedSession
from .announcing import announce_address
from .connecting import Cores, connect_refused, connect_to, open_session, stop_service
from .deadlines import Deadlines, Watch
from .exporter import Exporter
from .listening import open_listeners, show_address
from .loading import ServiceNotFound, load_service
from .logs import log_failure
from .metrics import ServerCollector, registry_for
from .options import CONTEXT, EPILOG, Launch, fail, server_options
from .parameters import Count, Duration, Number, Parsed, Port, Size
from .queues import received_bytes, unread_bytes, unsent_bytes
from .resources import Capacity, raise_descriptor_limit, read_cpus, require_cpus
from .session import (
    AT_ONCE,
    FLUSH,
    LINGER,
    READ_SIZE,
    Aborted,
    Connect,
    Session,
    SessionContext,
    Stream,
)
from .settings import Settings
from .stats import Stats
from .units import AMOUNTS, read_count, read_duration, read_number, read_share, read_size

__all__ = [
    "AMOUNTS",
    "AT_ONCE",
    "BURST",
    "CONTEXT",
    "EPILOG",
    "EXHAUSTED",
    "FLUSH",
    "LINGER",
    "PAUSE",
    "READ_SIZE",
    "REFUSALS_AT_A_TIME",
    "Aborted",
    "Acceptor",
    "AccessLog",
    "Capacity",
    "Connect",
    "Cores",
    "Count",
    "Deadlines",
    "Duration",
    "Exporter",
    "Launch",
    "LoggedSession",
    "NoRoom",
    "Number",
    "Parsed",
    "Port",
    "ServerCollector",
    "ServiceNotFound",
    "Session",
    "SessionContext",
    "Settings",
    "Size",
    "Stats",
    "Stream",
    "Watch",
    "announce_address",
    "connect_refused",
    "connect_to",
    "fail",
    "load_service",
    "log_failure",
    "open_listeners",
    "open_session",
    "raise_descriptor_limit",
    "read_count",
    "read_cpus",
    "read_duration",
    "read_number",
    "read_share",
    "read_size",
    "received_bytes",
    "registry_for",
    "require_cpus",
    "server_options",
    "show_address",
    "stop_service",
    "unread_bytes",
    "unsent_bytes",
]
