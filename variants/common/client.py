"""A client of a loop, in steps: the state is spelled out that a coroutine keeps by itself.

Each step is short, and says in what state it leaves the client. The loop goes from one client's
step to another's, and has to know only which events a state stands for.
"""

import logging
import socket
from typing import Any

from dumb_async.hosting import (
    AT_ONCE,
    FLUSH,
    READ_SIZE,
    Session,
    SessionContext,
    log_failure,
    open_session,
)
from dumb_async.protocol import NEED_DATA, Action, Close, Compute, NeedData, Send, Sleep

from .schedule import Schedule
from .sockets import SocketStream
from .state import State
from .timers import Timer

logger = logging.getLogger(__name__)

READING, WRITING, BUSY = State.READING, State.WRITING, State.BUSY
LINGERING, CLOSED = State.LINGERING, State.CLOSED


class Client(SocketStream):
    """An `EventHandler` for a socket that does not block, and the stream of its session.

    :param schedule: of the loop that the client lives in.
    """

    __slots__ = ("_schedule", "action", "session", "state", "timer")

    def __init__(
        self, sock: socket.socket, context: SessionContext, schedule: Schedule[Any]
    ) -> None:
        super().__init__(sock)
        self.state = READING
        self._reading = True
        self.action: Action | NeedData = NEED_DATA  # what is to be done next
        self.timer: Timer | None = None
        self._schedule = schedule
        self.session: Session[Client] = open_session(sock, self, context)

    def ready(self) -> State:
        """Go on, as the socket is ready for what was waited for, or the connection is lost."""
        try:
            if self.state is READING:
                action = self.session.receive(self.sock.recv(READ_SIZE))
                return READING if action is NEED_DATA else self._begin(action)
            if self.state is WRITING:
                return self._perform() if len(self.unwritten) <= AT_ONCE else self._begin(FLUSH)
            if self.state is BUSY:
                raise ConnectionResetError
            return LINGERING if self.sock.recv(READ_SIZE) else CLOSED
        except BlockingIOError:
            return self.state
        except Exception as error:
            return self._lose(error)

    def resume(self) -> State:
        """Go on, as the time has come, or the turn."""
        try:
            if self.state is LINGERING:
                return CLOSED
            if self.state is READING:  # it was notified: the core has something to say
                return self._begin(self.session.answer())
            return self._perform()
        except Exception as error:
            return self._lose(error)

    def _begin(self, action: Action | NeedData) -> State:
        """See to it that ``action`` is performed in its time; what is waited for meanwhile."""
        if type(action) is Close:
            return self._end(action)
        if action is NEED_DATA:
            self.state = READING
            self._reading = True
            if self._ended:  # while it was busy
                self.feed_eof()
            return READING
        self._reading = False
        if action is FLUSH and self.session.blocked and self.state is not WRITING:
            return self._wait_to_write()
        self._schedule.forget(self)  # it may have been notified, and is asked anyway
        self.state, self.action = BUSY, action
        if type(action) is Sleep:
            self._schedule.sleep(self, action.seconds)
        else:
            self._schedule.queue(self)
        return BUSY

    def _perform(self) -> State:
        """Take one step of what is to be done; then see what is next."""
        if self.unwritten:
            self.write(self.unwritten)
        elif type(self.action) is Send and self.action is not FLUSH:
            self.session.write(self.action.data)
        elif type(self.action) is Compute:
            self.session.connection.compute(self.action)
        if self.unwritten:
            return self._wait_to_write()
        self.session.go_on()
        self.state = BUSY
        return self._begin(self.session.answer())

    def _wait_to_write(self) -> State:
        self.session.stall()
        self.state = WRITING
        return WRITING

    def _end(self, close: Close) -> State:
        if close.error is not None:
            log_failure(logger, "a command failed, its client was told and closed", close.error)
        return CLOSED if self.session.ended else self.linger()

    def linger(self) -> State:
        """End our side; what the client still says is read away for a while."""
        self._schedule.forget(self)  # it may have been notified
        self.sock.shutdown(socket.SHUT_WR)
        self._schedule.sleep(self, self.session.linger_for)
        self.state = LINGERING
        return LINGERING

    def _lose(self, error: Exception) -> State:
        if self.state is not LINGERING:  # else it was let go anyway
            self.session.lost(error)
        return CLOSED

    def wake(self) -> None:
        """See `Stream.wake`."""
        self._schedule.notify(self)

    def detach(self) -> None:
        """Let go of what was asked; the socket is left to whoever calls."""
        self.state = CLOSED
        self._schedule.forget(self)
        self.session.close()

    def close(self) -> None:
        """Close the connection, which the loop has forgotten."""
        self.detach()
        self.sock.close()
