"""How clients come in, and how a loop hears that it is to stop."""

import os
import socket
from typing import TYPE_CHECKING, Any

from dumb_async.hosting import PAUSE, Acceptor

from .schedule import Schedule
from .state import State
from .timers import Timer

if TYPE_CHECKING:
    from .host import Host


class ListenerHandler:
    """A listening socket: accepts, pauses when it cannot, and closes in the end."""

    def __init__(
        self, host: "Host", listener: socket.socket, acceptor: Acceptor, schedule: Schedule[Any]
    ) -> None:
        self.fd = listener.fileno()
        self.state = State.READING
        self.timer: Timer | None = None
        self._host = host
        self._listener = listener
        self._acceptor = acceptor
        self._schedule = schedule

    def ready(self) -> State:
        """Accept those who wait; if something has run out, not again for a while."""
        if self._acceptor.accept_burst(self._listener):
            return self.state
        self.state = State.BUSY
        self._schedule.sleep(self, PAUSE)
        return self.state

    def resume(self) -> State:
        """Listen again, or no more."""
        self.state = State.READING
        return State.CLOSED if self._host.stopping else self.state

    def close(self) -> None:
        """Nobody gets in any more."""
        self.state = State.CLOSED
        self._schedule.forget(self)  # it may have paused
        self._host.accept_rest(self._acceptor, self._listener)


class StopHandler:
    """The host's stop event: once it is set, the listening sockets are closed."""

    def __init__(
        self, host: "Host", listeners: list[ListenerHandler], schedule: Schedule[Any]
    ) -> None:
        self.fd = host.stop_event
        self.state = State.READING
        self.timer: Timer | None = None
        self._listeners = listeners
        self._schedule = schedule

    def ready(self) -> State:
        """Have the listening sockets closed; once is enough."""
        os.eventfd_read(self.fd)
        for listener in self._listeners:
            self._schedule.queue(listener)
        return State.CLOSED

    def resume(self) -> State:
        """Never called: it does not sleep."""
        return self.state

    def close(self) -> None:
        """The event itself is the host's to close."""
        self.state = State.CLOSED
