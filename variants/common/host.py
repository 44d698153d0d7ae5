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
    Cores,
    Launch,
    NoRoom,
    Phase,
    Stats,
    Watch,
    connect_to,
    refuse_to_connect,
    registry_for,
)

from .agenda import Agenda
from .client import Client, Schedule, Surroundings, client_type
from .doors import Bell, Door
from .waiting import Waiter

logger = logging.getLogger(__name__)

Admit = Callable[[socket.socket], None]


class Host:
    """What a model serves with.

    A stop acts on sockets, and so works in the same way under every model: the bell becomes
    readable, every client's input ends; later, if need be, every connection is shut down.

    :param launch: what the command line has asked for.
    :param listeners: bound and listening, not blocking.
    :param service: what is served, if it is not what the command line says.
    """

    def __init__(
        self, launch: Launch, listeners: list[socket.socket], service: Cores | None = None
    ) -> None:
        self.launch = launch
        self.settings = launch.settings
        self.listeners = listeners
        self.service = service or launch.service
        self.connect = connect_to(self.service, self.settings)
        self.stats = Stats(self.service.labels)
        #: What the metrics page shows.
        self.registry = registry_for(self.stats)
        self.bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.stopping = False
        self.clients: set[Client] = set()
        #: Also called when everything is to end at once.
        self.at_cut: list[Callable[[], object]] = []
        self._refused: set[Client] = set()
        self._client_type = client_type(launch.settings)
        self.capacity = Capacity(launch.settings)
        self._count: Callable[[], int] = lambda: len(self.clients)
        self._most: int | None = None
        self._reason = ""

    @property
    def over(self) -> bool:
        """Whether it has stopped: nobody gets in, nobody is left."""
        return self.stopping and not self.listeners and not self.clients

    def surroundings(
        self, schedule: Schedule, deadlines: Watch, stats: Stats, prod: Callable[[Any], object]
    ) -> Surroundings:
        """What clients share that live in the same loop or thread."""
        return Surroundings(
            self.connect, self.settings, stats, deadlines, prod, schedule=schedule, left=self.left
        )

    def acceptor(self, admit: Admit, refuse: Admit) -> Acceptor:
        """Something that accepts for us.

        :param admit: takes in the socket of a client to be served.
        :param refuse: takes in that of one that has been told SERVER_BUSY.
        """
        return Acceptor(self.stats, self.make_room, admit, refuse)

    def limit_clients(self, most: int, reason: str) -> None:
        """Refuse clients over ``most``, which is all that the model can hold."""
        self._most, self._reason = most, reason

    def entrances(self, acceptor: Acceptor, agenda: Agenda[Any]) -> list[Waiter]:
        """What a loop is to watch that clients come from, and what tells it to stop."""
        doors = [Door(self, listener, acceptor, agenda) for listener in self.listeners]
        return [*doors, Bell(self, doors, agenda)]

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

    def welcome(self, sock: socket.socket, shared: Surroundings) -> Client:
        """Make the client of a socket."""
        client = self._client_type(sock, shared)
        self.clients.add(client)
        self.stats.active = len(self.clients)
        if self.stopping:
            client.half_close()
        return client

    def turn_away(self, sock: socket.socket, shared: Surroundings) -> Client | None:
        """Make a client that only reads why it is refused, if there are not too many of them."""
        if self.stopping or len(self._refused) >= REFUSALS_AT_A_TIME:
            sock.close()
            return None
        client = Client(sock, shared, connect=refuse_to_connect)
        self._refused.add(client)
        if client.refuse() is Phase.CLOSED:
            client.close()
            return None
        return client

    def accept_rest(self, acceptor: Acceptor, listener: socket.socket) -> None:
        """Accept those who had connected before the stop, then close the listening socket."""
        acceptor.accept_burst(listener, min(self.settings.backlog, 65_536))
        self.listeners.remove(listener)
        listener.close()

    def stop(self) -> None:
        """Stop gracefully: what has been asked is answered. From any thread."""
        self.stopping = True
        for client in list(self.clients):
            client.half_close()
        with contextlib.suppress(OSError):  # it has stopped meanwhile
            os.eventfd_write(self.bell, 1)

    def cut(self) -> None:
        """Stop at once: whatever is done for clients ends. From any thread."""
        clients = list(self.clients)
        for client in clients:
            client.given_up = True  # all of them before the first system call
        for client in clients:
            client.cut()
        for also in self.at_cut:
            also()

    def close(self) -> None:
        """Close what is still open."""
        for listener in self.listeners:
            listener.close()
        for client in [*self._refused, *self.clients]:
            with contextlib.suppress(OSError):
                client.sock.close()
        os.close(self.bell)

    def left(self, client: Client) -> None:
        """Called with each client that has been closed."""
        self._refused.discard(client)
        self.clients.discard(client)
        self.stats.active = len(self.clients)
