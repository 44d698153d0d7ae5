"""One client, in steps: the driver of the core that does not know who drives it.

Each step is short, and says in what phase it leaves the client. Over a socket that does not
block, a loop goes from one client's step to another's. Over one that blocks, the very same
steps wait where they stand, and a thread just takes one after the other.
"""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from dumb_async.hosting import (
    AT_ONCE,
    LoggedSession,
    Phase,
    Session,
    Settings,
    Shared,
    is_over,
    log_failure,
)
from dumb_async.protocol import NEED_DATA, Action, Close, Compute, NeedData, Send, Sleep

logger = logging.getLogger(__name__)

LISTENING, WORKING, STALLED = Phase.LISTENING, Phase.WORKING, Phase.STALLED
CLOSED = Phase.CLOSED


class Schedule(Protocol):
    """Where a client asks for time and turns."""

    def sleep(self, waiter: Any, seconds: float) -> None:
        """Resume it in ``seconds``."""

    def queue(self, waiter: Any) -> None:
        """Resume it when it is its turn."""

    def forget(self, waiter: Any) -> None:
        """Resume it no more."""


class Surroundings(Shared):
    """What the clients of one loop, or of one thread, have in common.

    :param left: called with each client that has been closed.
    """

    __slots__ = ("left", "schedule")

    def __init__(
        self, *shared: Any, schedule: Schedule, left: Callable[["Client"], object]
    ) -> None:
        super().__init__(*shared)
        self.schedule = schedule
        self.left = left


class Client(Session):
    """A `Waiter`: a session that goes on by itself, a step at a time."""

    __slots__ = ()
    _shared: Surroundings

    def ready(self) -> Phase:
        """Go on, as the socket is ready for what was waited for, or the connection is lost."""
        try:
            phase = self.phase
            if phase is LISTENING:
                action = self.receive(monotonic())
                return LISTENING if action is NEED_DATA else self._begin(action)
            if self.given_up:
                return CLOSED
            if phase is STALLED:
                return self._go_on_writing(self.action)
            if phase is WORKING:
                raise ConnectionResetError
            return CLOSED if self.read_away() else phase
        except Exception as error:
            return self._lose(error)

    def resume(self) -> Phase:
        """Go on, as the time has come, or the turn."""
        try:
            if self.phase is LISTENING:  # the core has something to say, unasked
                return self._begin(self.speak())
            return self._perform(self.action)
        except Exception as error:
            return self._lose(error)

    def refuse(self) -> Phase:
        """Let the client read why it was refused."""
        try:
            self.linger()
        except OSError:
            return CLOSED
        return self.phase

    def let_go(self) -> None:
        """Let go of what was asked; the socket is left to whoever calls."""
        self._shared.schedule.forget(self)
        super().let_go()
        self._shared.left(self)

    def _begin(self, action: Action | NeedData) -> Phase:
        """See to it that ``action`` is performed in its time; what it waits for meanwhile."""
        if action is NEED_DATA:
            if self.phase is not LISTENING:
                self.listen()
            return LISTENING
        if type(action) is Close:
            return self._end(action)
        if self.phase is not WORKING:
            self._forget_prod()
            self.work()
        if type(action) is Sleep:
            self.action = action
            self._shared.schedule.sleep(self, action.seconds)
        else:
            self.action = memoryview(action.data) if type(action) is Send else action
            self._shared.schedule.queue(self)
        return WORKING

    def _perform(self, action: Any) -> Phase:
        """Take one step of an action whose time or turn has come."""
        if type(action) is memoryview:
            sent = self.send(action)
            if sent < len(action):
                self.action = action[sent:]
                self.stall(anew=sent > 0)
                return STALLED
            self.work()
        elif type(action) is Compute:
            self.connection.compute(action)
        return self._begin(self.answer())

    def _go_on_writing(self, left: Any) -> Phase:
        """Write what the client takes again: a large piece only when it is its turn."""
        if len(left) <= AT_ONCE:
            return self._perform(left)
        self.phase = WORKING
        self._shared.schedule.queue(self)
        return WORKING

    def _end(self, close: Close) -> Phase:
        if close.error is not None:
            log_failure(logger, "a command failed, its client was told and closed", close.error)
        if is_over(self, close):
            return CLOSED
        self._forget_prod()
        self.linger()
        return self.phase

    def _forget_prod(self) -> None:
        """It was prodded, and has been asked for more anyway."""
        if self.nap is not None:
            self._shared.schedule.forget(self)

    def _lose(self, error: Exception) -> Phase:
        if not self.given_up and self.phase is not Phase.LINGERING:  # else it was let go anyway
            self._stats.lost(error)
        return CLOSED


class LoggedClient(Client, LoggedSession):
    """A client with an access log."""

    __slots__ = ()


def client_type(settings: Settings) -> type[Client]:
    """The kind of client that the settings ask for."""
    return LoggedClient if settings.access_log else Client
