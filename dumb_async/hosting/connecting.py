"""From a service and settings to what a new connection is made of."""

import socket
from collections.abc import MutableMapping, Sequence
from time import perf_counter
from typing import Any, Final, Protocol

from ..protocol import Config, Connection, Core, Service
from .access_log import LoggedSession
from .session import Connect, S, Session, SessionContext
from .settings import Settings


class Cores(Protocol):
    """What makes the cores of connections where no `Service` does, such as a chat room."""

    @property
    def labels(self) -> Sequence[str]:
        """Every label under which its cores count requests."""

    def connector(self, settings: Settings) -> Connect:
        """What makes the core of each new connection."""

    def stop(self) -> None:
        """The server stops: the input of every connection ends now; called from any thread."""


def stop_service(service: Service | Cores) -> None:
    """Tell whatever makes the cores that the server stops; a `Service` need not know."""
    if not isinstance(service, Service):
        service.stop()


def connect_to(service: Service | Cores, settings: Settings) -> Connect:
    """Make the maker of cores for the clients of ``service``."""
    if not isinstance(service, Service):
        return service.connector(settings)
    config = Config(
        service,
        limit_line=settings.limit_line,
        limit_pipeline=settings.limit_pipeline,
        clock=perf_counter,
    )

    def connect(counts: MutableMapping[str, int], _prod: Any) -> Core:
        return Connection(config, counts)  # it never speaks unasked

    return connect


_NO_COMMANDS: Final = Config(Service("refusal"))


def connect_refused(counts: MutableMapping[str, int], _wake: Any) -> Core:
    """Make the core of a client that is refused: it is never asked anything."""
    return Connection(_NO_COMMANDS, counts)


def open_session(sock: socket.socket, stream: S, context: SessionContext) -> Session[S]:
    """Make the session of a client, of the kind that the settings ask for.

    :param sock: its connected socket.
    """
    if context.settings.access_log:
        return LoggedSession(stream, context, sock)
    return Session(stream, context)
