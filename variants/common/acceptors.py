"""How clients come in, and how a loop hears that it is to stop."""

import os
import socket
from typing import TYPE_CHECKING, Any

from dumb_async.hosting import PAUSE, Acceptor, Phase

from .agenda import Agenda

if TYPE_CHECKING:
    from .host import Host


class Door:
    """A listening socket: a `Waiter` that accepts, pauses when it cannot, and closes in the end."""

    def __init__(
        self, host: "Host", listener: socket.socket, acceptor: Acceptor, agenda: Agenda[Any]
    ) -> None:
        self.fd = listener.fileno()
        self.phase = Phase.LISTENING
        self.nap: list[Any] | None = None
        self._host = host
        self._listener = listener
        self._acceptor = acceptor
        self._agenda = agenda

    def ready(self) -> Phase:
        """Accept those who wait; if something has run out, not again for a while."""
        if self._acceptor.accept_burst(self._listener):
            return self.phase
        self.phase = Phase.WORKING
        self._agenda.sleep(self, PAUSE)
        return self.phase

    def resume(self) -> Phase:
        """Listen again, or no more."""
        self.phase = Phase.LISTENING
        return Phase.CLOSED if self._host.stopping else self.phase

    def close(self) -> None:
        """Nobody gets in any more."""
        self.phase = Phase.CLOSED
        self._host.accept_rest(self._acceptor, self._listener)


class Bell:
    """Becomes readable when the host is to stop: a `Waiter` that then has the doors closed."""

    def __init__(self, host: "Host", doors: list[Door], agenda: Agenda[Any]) -> None:
        self.fd = host.bell
        self.phase = Phase.LISTENING
        self.nap: list[Any] | None = None
        self._doors = doors
        self._agenda = agenda

    def ready(self) -> Phase:
        """Have the doors closed; once is enough."""
        os.eventfd_read(self.fd)
        for door in self._doors:
            self._agenda.queue(door)
        return Phase.CLOSED

    def resume(self) -> Phase:
        """Never called: it does not sleep."""
        return self.phase

    def close(self) -> None:
        """Ring no more."""
        self.phase = Phase.CLOSED
