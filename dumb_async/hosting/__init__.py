"""All of a server but its concurrency: what every driver of the core needs besides a model.

The command line and its settings; listening sockets and the acceptance of clients; a
session for each of them, with deadlines; counters, metrics, logs. Nothing in here runs by
itself (but the metrics page, which has a thread): the runtimes of `dumb_async` and the
variants each drive it in their own way.
"""

from .acceptor import BURST, EXHAUSTED, PAUSE, REFUSALS_AT_A_TIME, Acceptor, NoRoom
from .access_log import AccessLog, LoggedSession
from .announcing import announce_address
from .connecting import Cores, connect_to, refuse_to_connect, session_type
from .deadlines import Deadlines, Watch
from .exporter import Exporter
from .listening import open_listeners, show_address
from .loading import ServiceNotFound, load_service
from .logs import log_failure
from .metrics import ServerCollector, registry_for
from .options import CONTEXT, EPILOG, Launch, fail, server_options
from .queues import received_bytes, unread_bytes, unsent_bytes
from .resources import Capacity, raise_descriptor_limit, read_cpus, read_size
from .session import (
    AT_ONCE,
    LINGER,
    READ_SIZE,
    Session,
    is_over,
)
from .settings import Settings
from .shared import Connect, Phase, Shared
from .sleepers import Sleepers
from .stats import Stats

__all__ = [
    "AT_ONCE",
    "BURST",
    "CONTEXT",
    "EPILOG",
    "EXHAUSTED",
    "LINGER",
    "PAUSE",
    "READ_SIZE",
    "REFUSALS_AT_A_TIME",
    "Acceptor",
    "AccessLog",
    "Capacity",
    "Connect",
    "Cores",
    "Deadlines",
    "Exporter",
    "Launch",
    "LoggedSession",
    "NoRoom",
    "Phase",
    "ServerCollector",
    "ServiceNotFound",
    "Session",
    "Settings",
    "Shared",
    "Sleepers",
    "Stats",
    "Watch",
    "announce_address",
    "connect_to",
    "fail",
    "is_over",
    "load_service",
    "log_failure",
    "open_listeners",
    "raise_descriptor_limit",
    "read_cpus",
    "read_size",
    "received_bytes",
    "refuse_to_connect",
    "registry_for",
    "server_options",
    "session_type",
    "show_address",
    "unread_bytes",
    "unsent_bytes",
]
