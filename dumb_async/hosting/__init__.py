"""All of a server but its concurrency: what every driver of the core needs besides a model.

The command line and its settings; listening sockets and the acceptance of clients; a
session for each of them, with deadlines; counters, metrics, logs. Nothing in here runs by
itself (but the metrics page, which has a thread): the runtimes of `dumb_async` and the
variants each drive it in their own way.
"""

from .acceptor import BURST, EXHAUSTED, PAUSE, REFUSALS_AT_A_TIME, Acceptor, NoRoom
from .access_log import AccessLog, LoggedSession
from .addresses import Address, connect, reachable_address
from .announcing import announce_address
from .connecting import Cores, connect_refused, connect_to, open_session, stop_service
from .deadlines import Deadlines, Watch
from .exporter import Exporter
from .listening import open_listeners, show_address
from .loading import ServiceNotFound, load_service, search_current_folder
from .logs import log_failure
from .metrics import ServerCollector, registry_for
from .options import CONTEXT, EPILOG, Launch, fail, server_options
from .parameters import Count, Duration, Number, Parsed, Port, Size
from .queues import received_bytes, unread_bytes, unsent_bytes
from .resources import (
    Capacity,
    descriptor_limit,
    raise_descriptor_limit,
    read_cpus,
    require_cpus,
    warn_of_descriptors,
)
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
from .variables import ServerCommand

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
    "Address",
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
    "ServerCommand",
    "ServiceNotFound",
    "Session",
    "SessionContext",
    "Settings",
    "Size",
    "Stats",
    "Stream",
    "Watch",
    "announce_address",
    "connect",
    "connect_refused",
    "connect_to",
    "descriptor_limit",
    "fail",
    "load_service",
    "log_failure",
    "open_listeners",
    "open_session",
    "raise_descriptor_limit",
    "reachable_address",
    "read_count",
    "read_cpus",
    "read_duration",
    "read_number",
    "read_share",
    "read_size",
    "received_bytes",
    "registry_for",
    "require_cpus",
    "search_current_folder",
    "server_options",
    "show_address",
    "stop_service",
    "unread_bytes",
    "unsent_bytes",
    "warn_of_descriptors",
]
