"""One client: the core that understands it, its deadlines, and what can be done at once.

There is no I/O in here, and nothing waits: bytes come in from a stream, of whatever kind, and
go out through it. Who waits, and how, is the business of whoever drives the session.
"""

import logging
from collections.abc import Callable, MutableMapping
from time import monotonic
from typing import Any, Final, Generic, Protocol, TypeVar

from ..protocol import NEED_DATA, Action, Close, Core, NeedData, Send
from .deadlines import Watch
from .logs import log_failure
from .settings import Settings
from .stats import Stats

logger = logging.getLogger(__name__)

#: Bytes read at a time. More would only let one client keep others waiting for longer,
#: and an allocation of 128 KiB or more is a system call of its own.
READ_SIZE: Final = 16_384

#: Bytes written without asking whose turn it is; more are copied for so long that others
#: would notice.
AT_ONCE: Final = 16_384

#: Seconds during which what a client still sends is read away after the last reply. A
#: socket closed with unread bytes is reset, and a reset can overtake that reply.
LINGER: Final = 2.0
#: The same for a client that goes on asking although it was told to go.
LINGER_BRIEFLY: Final = 0.5

#: What is next after an immediate reply that is not all there is to do: to wait until the stream
#: has got rid of it, if it has not, and to ask again. So nobody has two turns in one.
FLUSH: Final = Send(b"")

#: Makes the core of a new connection, from where its requests are counted and what is to
#: be called when it has something to say though nobody asked.
Connect = Callable[[MutableMapping[str, int], Callable[[], object]], Core]


class Aborted(Exception):
    """What was done for a client was broken off, by `Stream.cancel`."""


class Stream(Protocol):
    """The connection to one client, as far as nothing waits for it."""

    def write(self, data: bytes | memoryview, /) -> bool:
        """Take all of ``data``; false if not everything has gone to the kernel yet.

        :raises OSError: if the connection is lost; or whoever waits for the stream is told.
        """

    def unread(self) -> int:
        """Bytes that have arrived and were not received by the session yet."""

    def unsent(self) -> int:
        """Bytes that the client has not taken in yet."""

    def feed_eof(self) -> None:
        """End the input, of which nothing is unread, as if the client had ended it."""

    def wake(self) -> None:
        """Have the session asked for its next action, if the client is just listened to."""

    def cancel(self) -> object:
        """Break off whatever is done for the client; the connection is then closed as it is."""


S = TypeVar("S", bound=Stream)


class SessionContext:
    """What the sessions of a server, or of one of its loops, have in common.

    :param connect: makes a core.
    """

    __slots__ = ("connect", "deadlines", "settings", "stats")

    def __init__(
        self, connect: Connect, settings: Settings, stats: Stats, deadlines: Watch
    ) -> None:
        self.connect = connect
        self.settings = settings
        self.stats = stats
        self.deadlines = deadlines

    def left(self, session: Any) -> None:
        """Called with each session that is closed."""


class Session(Generic[S]):
    """A protocol core and its times, over a stream.

    :param counts: where its requests are counted, if not with those of all others.
    """

    __slots__ = (
        "_began",
        "_context",
        "_lost",
        "_stats",
        "_touched",
        "_unread",
        "_unsent",
        "blocked",
        "busy",
        "connection",
        "ended",
        "stalled",
        "stream",
        "tick",
    )

    def __init__(
        self,
        stream: S,
        context: SessionContext,
        counts: MutableMapping[str, int] | None = None,
    ) -> None:
        self.stream = stream
        #: Something is done for the client, who has no deadline meanwhile.
        self.busy = False
        #: The client has ended its side, or it is closed.
        self.ended = False
        self.tick: int | None = None
        self._context = context
        self._stats = context.stats
        self._touched = monotonic()  # when something was last heard or said
        self._began = 0.0  # when the unfinished line began, or the stall; 0: there is none
        self._lost = False  # by an error
        #: Not everything that was written has gone to the kernel.
        self.blocked = False
        #: The client does not take its reply.
        self.stalled = False
        self._unread = -1  # bytes to read before the end that was put to its input; -1: none was
        self._unsent = 0  # bytes that the client had not taken when it stalled
        requests = context.stats.requests if counts is None else counts
        self.connection = context.connect(requests, stream.wake)
        if context.settings.timeout_idle:
            context.deadlines.watch(self, self._touched + context.settings.timeout_idle)

    def receive(self, data: bytes) -> Action | NeedData:
        """Take in one read, answer what can be answered at once, return what has to wait.

        :param data: what was read; empty at the end of input.
        :raises OSError: if the connection is lost.
        """
        self._touched = monotonic()
        connection = self.connection
        if data:
            self._stats.bytes_received += len(data)
            connection.receive_data(data)
            if self._unread >= 0:
                self._count_down(len(data))
        else:
            self.ended = True
            connection.receive_eof()
        action = self._answer(connection)
        if action is not NEED_DATA:
            self._take_up(action)
        elif connection.unfinished:
            # Its time runs from its first byte, and does not start again at later ones.
            if not self._began or b"\n" in data:
                self._wait_for_line()
        elif self._began:
            self._began = 0.0
        return action

    def next_action(self) -> Action | NeedData:
        """What is to be done now; from NEED_DATA on the client is listened to again."""
        return self._noted(self.connection.next_action())

    def answer(self) -> Action | NeedData:
        """Answer what can be answered at once, as `receive` does; return what has to wait.

        :raises OSError: if the connection is lost.
        """
        return self._noted(self._answer(self.connection))

    def write(self, data: bytes | memoryview) -> None:
        """Have the stream take ``data``, and count it; then `blocked` says if it has gone.

        :raises OSError: if the connection is lost.
        """
        self._stats.bytes_sent += len(data)
        self.blocked = not self.stream.write(data)

    def stall(self) -> None:
        """Note that the client does not take its reply: it has `timeout_write` to go on."""
        self._unsent = self.stream.unsent()
        self.stalled = True
        self._began = monotonic()
        if self._context.settings.timeout_write:
            self._context.deadlines.watch(self, self._began + self._context.settings.timeout_write)

    def go_on(self) -> None:
        """Note that it has taken everything."""
        self.stalled = self.blocked = False

    def end_input(self) -> None:
        """End the client's side for it: what it has asked is answered, then it is closed.

        What has arrived is still read; what comes after that is read away, as that of one
        that was told to go.
        """
        try:
            self._unread = self.stream.unread()
        except OSError:  # the connection is lost, and whoever waits for it is told
            return
        if not self._unread:
            self.stream.feed_eof()

    def due(self, now: float) -> float | None:
        """When patience is at an end; or to look again, as it may be idle before a longer one."""
        settings = self._context.settings
        look = now + (settings.timeout_idle or float("inf"))
        if self.stalled and settings.timeout_write:
            return min(self._began + settings.timeout_write, look)
        if self.busy:
            later = settings.timeout_idle or settings.timeout_line
            return now + later if later else None
        if self.ended:
            return None
        if self.connection.unfinished and settings.timeout_line:
            return min(self._began + settings.timeout_line, look)
        return self._touched + settings.timeout_idle if settings.timeout_idle else None

    def expire(self) -> None:
        """End it: who is silent as the client would, who does not read at once."""
        if not self.stalled:
            self._stats.timeouts["line" if self._began else "idle"] += 1
            self.end_input()
        elif self._has_taken_some():
            self.stall()
        else:
            self._stats.timeouts["write"] += 1
            self.cancel()

    def cancel(self) -> None:
        """Break off what is done for the client; that its connection then breaks is no loss."""
        self._lost = True
        self.stream.cancel()

    @property
    def linger_for(self) -> float:
        """Seconds during which what the client still sends is to be read away."""
        return LINGER if self._unread < 0 else LINGER_BRIEFLY

    def lost(self, error: Exception) -> None:
        """Note, once, that the connection ends by an error; see `Stats.lost`."""
        if not self._lost:
            self._lost = True
            self._stats.lost(error)

    def close(self) -> None:
        """Let go of what was asked. The stream is closed by whoever drives the session."""
        self._context.deadlines.discard(self)
        self._context.left(self)
        try:
            self.connection.abandon()
        except BaseException as error:
            log_failure(logger, "a command failed as its client left", error)

    def _answer(self, connection: Core) -> Action | NeedData:
        action = connection.next_action()
        if type(action) is Send and (size := len(action.data)) <= AT_ONCE:
            self._stats.bytes_sent += size
            if self.stream.write(action.data):
                return NEED_DATA if connection.settled else FLUSH
            self.blocked = True
            return FLUSH
        return action

    def _noted(self, action: Action | NeedData) -> Action | NeedData:
        if action is NEED_DATA:
            self._listen()
        else:
            self._take_up(action)
        return action

    def _take_up(self, action: Action) -> None:
        self.busy = True
        if type(action) is Close and action.reason:
            self._stats.reject(action.reason)

    def _listen(self) -> None:
        self.busy = False
        self._touched = monotonic()
        self._began = 0.0
        if self.connection.unfinished:
            self._wait_for_line()

    def _has_taken_some(self) -> bool:
        # The socket takes more only when a good part of it is free, so a slow reader's progress
        # is what has left it, not what it takes.
        try:
            return self.stream.unsent() != self._unsent
        except OSError:  # the connection is lost
            return False

    def _count_down(self, read: int) -> None:
        """Put the end of input where it was when the client's side was ended for it."""
        self._unread = max(self._unread - read, 0)
        if not self._unread:
            self.connection.receive_eof()

    def _wait_for_line(self) -> None:
        """Start the time that the unfinished line has."""
        timeout = self._context.settings.timeout_line
        if timeout:
            self._began = self._touched
            self._context.deadlines.watch(self, self._began + timeout)
