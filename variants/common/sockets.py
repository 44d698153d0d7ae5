"""What all streams over a plain socket have in common, whether it blocks or not."""

import contextlib
import socket

from dumb_async.hosting import unread_bytes, unsent_bytes


class SocketStream:
    """A connected socket, as a session sees it; see `dumb_async.hosting.Stream`.

    `feed_eof` and `cancel` may be called from another thread: they act on the socket, so that
    whatever waits for it is woken.
    """

    __slots__ = ("_ended", "_reading", "cancelled", "fd", "sock", "unwritten")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.cancelled = False
        self._ended = False  # the input is, by us
        self._reading = False  # whoever drives us waits for input
        self.unwritten = memoryview(b"")  # what the socket did not take of the last write

    def write(self, data: bytes | memoryview) -> bool:
        """Write what the socket takes now, and keep the rest; see `Stream.write`."""
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        self.unwritten = memoryview(data)[sent:]
        return not self.unwritten

    def unread(self) -> int:
        """See `Stream.unread`."""
        return unread_bytes(self.sock)

    def unsent(self) -> int:
        """See `Stream.unsent`."""
        return unsent_bytes(self.sock)

    def feed_eof(self) -> None:
        """See `Stream.feed_eof`."""
        self._ended = True
        with contextlib.suppress(OSError):  # the client was faster
            # Only of a client from whom nothing has come: its window would not open again.
            if self._reading and not unread_bytes(self.sock):
                self.sock.shutdown(socket.SHUT_RD)

    def wake(self) -> None:
        """Nobody speaks unasked to a client of this model."""

    def cancel(self) -> None:
        """See `Stream.cancel`: whoever waits for the socket is told of an error."""
        self.cancelled = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    async def open(self) -> None:
        """It is open."""

    async def aclose(self) -> None:
        """Close the socket."""
        self.sock.close()
