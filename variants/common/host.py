"""A server without its model: sockets, settings, counters, and who is connected."""

import contextlib
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from dumb_async.hosting import (
    REFUSALS_AT_A_TIME,
    Acceptor,
    Capacity,
    Connect,
    Cores,
    Launch,
    NoRoom,
    Session,
    SessionContext,
    Stats,
    Watch,
    connect_refused,
    connect_to,
    registry_for,
    stop_service,
)

from .acceptors import ListenerHandler, StopHandler
from .schedule import Schedule
from .state import EventHandler

logger = logging.getLogger(__name__)

Admit = Callable[[socket.socket], None]


class Host:
    """What a model serves with.

    A stop acts on sockets, and so works in the same way under every model: the stop event
    becomes readable, every client's input ends; later, if need be, every connection is shut down.

    :param launch: what the command line has asked for.
    :param listeners: bound and listening, not blocking.
    :param service: what is served, if it is not what the command line says.
    :param name: of the model, as it is announced.
    """

    def __init__(
        self,
        launch: Launch,
        listeners: list[socket.socket],
        service: Cores | None = None,
        name: str = "",
    ) -> None:
        self.name = name
        self.launch = launch
        self.settings = launch.settings
        self.listeners = listeners
        self.service = service or launch.service
        self.connect = connect_to(self.service, self.settings)
        self.stats = Stats(self.service.labels)
        #: What the metrics page shows.
        self.registry = registry_for(self.stats)
        #: Readable once the host is to stop.
        self.stop_event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.stopping = False
        #: Everything ends at once: what is done for clients, and for those who still come in.
        self.cancelled = False
        #: Of everybody who is served.
        self.sessions: set[Session[Any]] = set()
        #: Also called when everything is to end at once.
        self.at_cancel: list[Callable[[], object]] = []
        self._rejected: set[Session[Any]] = set()
        self.capacity = Capacity(launch.settings)
        self._count: Callable[[], int] = lambda: len(self.sessions)
        self._most: int | None = None
        self._reason = ""

    @property
    def over(self) -> bool:
        """Whether it has stopped: nobody gets in, nobody is left."""
        return self.stopping and not self.listeners and not self.sessions

    def context(
        self, deadlines: Watch, stats: Stats | None = None, *, refused: bool = False
    ) -> SessionContext:
        """What clients have in common that live in the same loop or thread.

        :param stats: where they are counted, if not in the host's own.
        :param refused: they only read why they are not served.
        """
        connect = connect_refused if refused else self.connect
        return _Context(self, connect, deadlines, stats or self.stats)

    def acceptor(self, admit: Admit, refuse: Admit) -> Acceptor:
        """Something that accepts for us.

        :param admit: takes in the socket of a client to be served.
        :param refuse: takes in that of one that has been told SERVER_BUSY.
        """
        return Acceptor(self.stats, self.make_room, admit, refuse)

    def limit_clients(self, most: int, reason: str) -> None:
        """Refuse clients over ``most``, which is all that the model can hold."""
        self._most, self._reason = most, reason

    def acceptors(self, acceptor: Acceptor, schedule: Schedule[Any]) -> list[EventHandler]:
        """What a loop is to watch that clients come from, and what tells it to stop."""
        listeners = [ListenerHandler(self, one, acceptor, schedule) for one in self.listeners]
        return [*listeners, StopHandler(self, listeners, schedule)]

    def count(self) -> int:
        """How many clients there are."""
        return self._count()

    def count_with(self, count: Callable[[], int]) -> None:
        """Have clients counted by somebody else: they are not among ours."""
        self._count = count

    def make_room(self) -> None:
        """See that one more client can be served.

        :raises NoRoom: if not.
        """
        if self._most is not None and self.count() >= self._most:
            if self._reason not in self.stats.rejected:
                logger.warning("%s: more than %d clients are refused", self._reason, self._most)
            raise NoRoom(self._reason)
        self.capacity.check(self.count())

    def serve(self, session: Session[Any]) -> None:
        """Count a session as one that is served, until it is closed."""
        self.sessions.add(session)
        self.stats.active = len(self.sessions)
        if self.cancelled:
            session.cancel()
        elif self.stopping:
            session.end_input()

    def reject(self, session: Session[Any]) -> bool:
        """Count a session as one that only reads why it is refused; false if there are too many."""
        if self.stopping or len(self._rejected) >= REFUSALS_AT_A_TIME:
            return False
        self._rejected.add(session)
        return True

    def accept_rest(self, acceptor: Acceptor, listener: socket.socket) -> None:
        """Accept those who had connected before the stop, then close the listening socket."""
        acceptor.accept_rest(listener, self.settings.backlog, lambda: self.cancelled)
        self.listeners.remove(listener)

    def stop(self) -> None:
        """Stop gracefully: what has been asked is answered. From any thread."""
        stop_service(self.service)
        self.stopping = True
        for session in list(self.sessions):
            with contextlib.suppress(OSError):  # the client was faster, or its thread
                session.end_input()
        with contextlib.suppress(OSError):  # it has stopped meanwhile
            os.eventfd_write(self.stop_event, 1)

    def cancel(self) -> None:
        """Stop at once: whatever is done for clients ends. From any thread."""
        self.cancelled = True
        for session in list(self.sessions):
            session.cancel()
        for also in self.at_cancel:
            also()

    def close(self) -> None:
        """Close what is still open."""
        for listener in self.listeners:
            listener.close()
        for session in [*self._rejected, *self.sessions]:
            session.cancel()
        os.close(self.stop_event)

    def left(self, session: Session[Any]) -> None:
        """Called with each session that is closed."""
        self._rejected.discard(session)
        self.sessions.discard(session)
        self.stats.active = len(self.sessions)


class _Context(SessionContext):
    """Tells the host of sessions that are closed."""

    __slots__ = ("_host",)

    def __init__(self, host: Host, connect: Connect, deadlines: Watch, stats: Stats) -> None:
        super().__init__(connect, host.settings, stats, deadlines)
        self._host = host

    def left(self, session: Session[Any]) -> None:
        """See `Host.left`."""
        self._host.left(session)
