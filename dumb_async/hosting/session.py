"""One client: its socket, the core that understands it, and what can be done at once.

Nothing here waits, unless the socket itself is a blocking one. Who drives it, and how, is
not said here: a task, a thread, or a loop that asks for the `Phase` it is in.
"""

import contextlib
import logging
import os
import socket
from collections.abc import Callable
from time import monotonic
from typing import Final

from ..protocol import NEED_DATA, Action, Close, NeedData, Send
from .logs import log_failure
from .queues import unread_bytes, unsent_bytes
from .shared import Connect, Phase, Shared
from .sleepers import Nap

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


class Session:
    """A connected socket and its protocol core.

    :param counts: where its requests are counted, if not with those of all others.
    :param connect: makes its core, if it is not one as all others have.
    """

    __slots__ = (
        "_began",
        "_shared",
        "_stalled",
        "_stats",
        "_touched",
        "_unread",
        "_unsent",
        "action",
        "cancel",
        "connection",
        "ended",
        "fd",
        "given_up",
        "nap",
        "phase",
        "sock",
        "tick",
        "watched",
    )

    def __init__(
        self,
        sock: socket.socket,
        shared: Shared,
        counts: dict[str, int] | None = None,
        connect: Connect | None = None,
    ) -> None:
        self.sock = sock
        #: Its descriptor, -1 once it is closed. ``os.read`` and ``os.write`` on it take a tenth
        #: less time for a whole request than the methods of the socket.
        self.fd = sock.fileno()
        self.phase = Phase.LISTENING
        #: What is next, for a driver to keep: an action, or what is left of a Send.
        self.action: Action | NeedData | memoryview = NEED_DATA
        self.nap: Nap | None = None  # it sleeps, see `sleepers`
        self.cancel: Callable[[], object] | None = None  # breaks off what is done for it
        self.ended = False  # the client has ended its side
        self.given_up = False  # it was cut off by a deadline or a stop
        self.watched = False  # the driver looks at its descriptor
        self.tick: int | None = None
        self._shared = shared
        self._stats = shared.stats
        self._touched = monotonic()  # when something was last heard or said
        self._began = 0.0  # when the unfinished line began; 0: there is none
        self._stalled = False  # it has not taken everything since `work`
        self._unread = -1  # bytes to read before the end that was put to its input; -1: none was
        self._unsent = 0  # bytes that the client had not taken when it stalled
        connect = connect or shared.connect
        self.connection = connect(counts or shared.stats.requests, self._prod)
        if shared.settings.timeout_idle:
            shared.deadlines.watch(self, self._touched + shared.settings.timeout_idle)

    def receive(self, now: float) -> Action | NeedData:
        """Read once, answer what can be answered at once, return what has to wait.

        :param now: the time on the monotonic clock, read once for many clients.
        :raises OSError: if the connection is lost.
        """
        try:
            data = os.read(self.fd, READ_SIZE)
        except BlockingIOError:
            return NEED_DATA
        self._touched = now
        connection = self.connection
        if data:
            self._stats.bytes_received += len(data)
            connection.receive_data(data)
            if self._unread >= 0:
                self._count_down(len(data))
        else:
            self.ended = True
            connection.receive_eof()
        action = self.answer()
        if connection.unfinished:
            # Its time runs from its first byte, and does not start again at later ones.
            if not self._began or b"\n" in data:
                self._wait_for_line()
        elif self._began:
            self._began = 0.0
        return action

    def answer(self) -> Action | NeedData:
        """Answer what can be answered at once, return what has to wait.

        :raises OSError: if the connection is lost.
        """
        connection = self.connection
        action = connection.next_action()
        if type(action) is Send and len(action.data) <= AT_ONCE:
            data = action.data
            sent = self.send(data)
            if sent < len(data):
                return Send(data[sent:])
            return NEED_DATA if connection.settled else connection.next_action()
        return action

    def speak(self) -> Action | NeedData:
        """Say what the core has to say unasked, or after a sleep; as `answer` does.

        :raises OSError: if the connection is lost.
        """
        self._touched = monotonic()
        return self.answer()

    def send(self, data: bytes | memoryview) -> int:
        """Write what the socket takes, perhaps nothing; return how much it was.

        :raises OSError: if the connection is lost.
        """
        try:
            sent = os.write(self.fd, data)
        except BlockingIOError:
            return 0
        self._stats.bytes_sent += sent
        return sent

    @property
    def busy(self) -> bool:
        """Whether something is done for the client, who is not listened to."""
        return self.phase is not Phase.LISTENING

    def work(self) -> None:
        """Note that something is done for the client, who has no deadline meanwhile."""
        self.phase = Phase.WORKING
        self._stalled = False

    def listen(self) -> None:
        """Note that the client is listened to again."""
        self.phase = Phase.LISTENING
        self.action = NEED_DATA
        self.cancel = None
        self._touched = monotonic()
        self._began = 0.0
        if self.connection.unfinished:
            self._wait_for_line()
        if self._unread == 0:
            self._end_input()

    def stall(self, *, anew: bool = True) -> None:
        """Note that the client does not take its reply: it has `timeout_write` to go on.

        :param anew: it has just taken some. If not, its time goes on from when it stalled.
        """
        self.phase = Phase.STALLED
        if anew or not self._stalled:
            self._unsent = unsent_bytes(self.sock)
            self._stalled = True
            self._wait_at_most(self._shared.settings.timeout_write)

    def linger(self) -> None:
        """End our side; what the client still sends is to be read away, for a while.

        :raises OSError: if the connection is lost.
        """
        self.phase = Phase.LINGERING
        self.sock.shutdown(socket.SHUT_WR)
        self._wait_at_most(self._linger_for())

    def read_away(self) -> bool:
        """Read once and drop it; tell whether the client has ended, or its time has.

        :raises OSError: if the connection is lost.
        """
        try:
            return self.given_up or not os.read(self.fd, READ_SIZE)
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Close the socket and let go of what was asked.

        The driver must have forgotten it before.
        """
        self.let_go()
        self.sock.close()

    def let_go(self) -> None:
        """Let go of what was asked; the socket is left to whoever calls."""
        self._shared.deadlines.discard(self)
        self.phase = Phase.CLOSED
        self.fd = -1
        try:
            self.connection.abandon()
        except Exception as error:
            log_failure(logger, "a command failed as its client left", error)

    def half_close(self) -> None:
        """End the client's side for it: what it has asked is answered, then it is closed.

        What has arrived is still read. If there is nothing, an end of input is read next;
        if the client goes on, the rest is read away as that of one that was told to go. May
        be called from another thread.
        """
        with contextlib.suppress(OSError):  # the client was faster, or its thread
            self._unread = unread_bytes(self.sock)
            if self.phase is Phase.LISTENING and not unread_bytes(self.sock):
                self._end_input()

    def cut(self) -> None:
        """Give the client up: whoever waits for its socket, in any way, is woken."""
        self.given_up = True
        with contextlib.suppress(OSError):  # the client was faster
            self.sock.shutdown(socket.SHUT_RDWR)

    def due(self, now: float) -> float | None:
        """When patience is at an end; or to look again, as it may be idle before a longer one."""
        settings = self._shared.settings
        look = now + (settings.timeout_idle or float("inf"))
        if self.phase is Phase.CLOSED or (self.ended and self.phase is Phase.LISTENING):
            return None
        if self.phase is Phase.LINGERING:
            return self._began + self._linger_for()
        if self.phase is Phase.STALLED and settings.timeout_write:
            return min(self._began + settings.timeout_write, look)
        if self.phase is not Phase.LISTENING:
            later = settings.timeout_idle or settings.timeout_line
            return now + later if later else None
        if self.connection.unfinished and settings.timeout_line:
            return min(self._began + settings.timeout_line, look)
        return self._touched + settings.timeout_idle if settings.timeout_idle else None

    def expire(self) -> None:
        """End it: who is silent as the client would, who does not read or leave at once."""
        if self.phase is Phase.STALLED and self._has_taken_some():
            self._wait_at_most(self._shared.settings.timeout_write)
        elif self.phase is Phase.STALLED:
            self._stats.timeouts["write"] += 1
            self.cut()
        elif self.phase is Phase.LINGERING:
            self.cut()
        else:
            self._stats.timeouts["line" if self._began else "idle"] += 1
            self.half_close()

    def _linger_for(self) -> float:
        return LINGER if self._unread < 0 else LINGER_BRIEFLY

    def _end_input(self) -> None:
        # Only of a client from whom nothing has come: its window would not open again.
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RD)

    def _count_down(self, read: int) -> None:
        """Put the end of input where it was when the client's side was ended for it."""
        self._unread = max(self._unread - read, 0)
        if not self._unread:
            self.connection.receive_eof()

    def _has_taken_some(self) -> bool:
        # The socket takes more only when a good part of it is free, so a slow reader's
        # progress is what has left it, not what it takes.
        before, self._unsent = self._unsent, unsent_bytes(self.sock)
        return self._unsent != before

    def _wait_for_line(self) -> None:
        """Start the time that the unfinished line has."""
        timeout = self._shared.settings.timeout_line
        if timeout:
            self._began = self._touched
            self._shared.deadlines.watch(self, self._began + timeout)

    def _wait_at_most(self, seconds: float) -> None:
        """Start the time that the present phase has; 0: for ever."""
        self._began = monotonic()
        if seconds:
            self._shared.deadlines.watch(self, self._began + seconds)

    def _prod(self) -> None:
        self._shared.prod(self)


def is_over(session: Session, action: Action | NeedData) -> bool:
    """Whether nothing is left to do but to close: the client has ended its side."""
    return type(action) is Close and session.ended
