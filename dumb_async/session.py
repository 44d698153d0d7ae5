"""One client: its socket, the core that understands it, and what can be done at once.

Nothing here waits. What has to is handed to `handler`.
"""

import contextlib
import fcntl
import logging
import os
import socket
import struct
import termios
from time import monotonic
from typing import Any, Final

from .deadlines import Deadlines
from .logs import log_failure
from .protocol import NEED_DATA, Action, Close, Config, Connection, NeedData, Send
from .runtimes import CancelScope
from .settings import Settings
from .stats import Stats

logger = logging.getLogger(__name__)

#: Bytes read at a time. More would only let one client keep others waiting for longer,
#: and an allocation of 128 KiB or more is a system call of its own.
READ_SIZE: Final = 16_384

#: Bytes written without asking whose turn it is; more are copied for so long that others
#: would notice.
AT_ONCE: Final = 16_384

#: When, a number that makes instants comparable, and who, unless it was broken off.
Nap = list[Any]


class Shared:
    """What all sessions of a server have in common."""

    __slots__ = ("config", "deadlines", "settings", "stats")

    def __init__(
        self, config: Config, settings: Settings, stats: Stats, deadlines: Deadlines
    ) -> None:
        self.config = config
        self.settings = settings
        self.stats = stats
        self.deadlines = deadlines


class Session:
    """A connected socket and its protocol core."""

    __slots__ = (
        "_began",
        "_shared",
        "_stats",
        "_touched",
        "busy",
        "connection",
        "ended",
        "fd",
        "nap",
        "scope",
        "sock",
        "tick",
        "watched",
    )

    def __init__(
        self, sock: socket.socket, shared: Shared, counts: dict[str, int] | None = None
    ) -> None:
        self.sock = sock
        #: Its descriptor, -1 once it is closed. ``os.read`` and ``os.write`` on it take a tenth
        #: less time for a whole request than the methods of the socket.
        self.fd = sock.fileno()
        self.connection = Connection(shared.config, counts or shared.stats.requests)
        self.busy = False  # something is done for the client, who is not listened to
        self.nap: Nap | None = None  # it sleeps, see `sleepers`
        self.scope: CancelScope | None = None  # of the task that performs its actions
        self.ended = False  # the client has ended its side
        self.watched = False  # the dispatcher's epoll has it
        self.tick: int | None = None
        self._shared = shared
        self._stats = shared.stats
        self._touched = monotonic()  # when something was last heard or said
        self._began = 0.0  # when the unfinished line began; 0: there is none
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

    def resume(self) -> None:
        """Note that the client is listened to again."""
        self.busy = False
        self.scope = None
        self._touched = monotonic()
        self._began = 0.0
        if self.connection.unfinished:
            self._wait_for_line()

    def close(self) -> None:
        """Close the socket and let go of what was asked.

        The dispatcher must have forgotten it before.
        """
        self._shared.deadlines.discard(self)
        self.fd = -1
        self.sock.close()
        try:
            self.connection.abandon()
        except Exception as error:
            log_failure(logger, "a command failed as its client left", error)

    def half_close(self) -> None:
        """End the client's side for it: what it has asked is answered, then it is closed.

        What had arrived before is still read, and then an end of input (Linux).
        """
        with contextlib.suppress(OSError):  # the client was faster
            self.sock.shutdown(socket.SHUT_RD)

    def unsent(self) -> int:
        """Bytes that the client's side has not yet taken in (SIOCOUTQ, tcp(7))."""
        answer = fcntl.ioctl(self.sock, termios.TIOCOUTQ, b"\0\0\0\0")
        return int(struct.unpack("i", answer)[0])

    def due(self, now: float) -> float | None:
        """When the client has been silent for too long: idle, or in the middle of a line."""
        settings = self._shared.settings
        if self.fd < 0 or self.ended:
            return None
        if self.busy:
            return now + (settings.timeout_idle or settings.timeout_line)
        if self.connection.unfinished and settings.timeout_line:
            return self._began + settings.timeout_line
        return self._touched + settings.timeout_idle if settings.timeout_idle else None

    def expire(self) -> None:
        """End it as its client would: by an end of input."""
        self._stats.timeouts["line" if self._began else "idle"] += 1
        self.half_close()

    def _wait_for_line(self) -> None:
        """Start the time that the unfinished line has."""
        timeout = self._shared.settings.timeout_line
        if timeout:
            self._began = self._touched
            self._shared.deadlines.watch(self, self._began + timeout)


def is_over(session: Session, action: Action | NeedData) -> bool:
    """Whether nothing is left to do but to close: the client has ended its side."""
    return type(action) is Close and session.ended
