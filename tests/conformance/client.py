"""A blocking client that can be as rude as a test wants it to be."""

import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

#: Seconds after which anything that was to come is given up: far more than it takes. Of a test
#: that is expected to fail, less; so it is looked up whenever something is waited for.
PATIENCE = 10.0


class Client:
    """One connection. Leaving its ``with`` block resets it: nothing lives on for nobody.

    :param address: host and port.
    :param timeout: seconds any single call may wait before it raises `TimeoutError`, if not
        PATIENCE.
    :param receive_buffer: bytes the kernel may keep for it, so that a reader stalls soon.
    """

    def __init__(
        self,
        address: tuple[str, int],
        *,
        timeout: float | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        self._received = bytearray()
        self._socket = socket.socket()
        try:
            if receive_buffer is not None:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self._socket.settimeout(PATIENCE if timeout is None else timeout)
            self._socket.connect(address)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.reset()

    def fileno(self) -> int:
        """The descriptor, for `select`."""
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        self._socket.sendall(data)

    def send_in_pieces(self, pieces: Iterable[bytes]) -> None:
        """Send each piece as a segment of its own.

        The server gets the chance to read each by itself; nothing depends on whether it
        does.
        """
        for piece in pieces:
            self._socket.sendall(piece)
            select.select([self], [], [], 0.0002)

    def read_line(self) -> bytes:
        """Read up to the next line feed, or to the end of input if that is sooner."""
        while b"\n" not in self._received and self._receive():
            pass
        line, end, rest = self._received.partition(b"\n")
        self._received = rest
        return bytes(line + end)

    def read_exactly(self, size: int) -> bytes:
        """Read ``size`` bytes, or fewer if the input ends."""
        while len(self._received) < size and self._receive():
            pass
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def read_all(self) -> bytes:
        """Read up to the end of input.

        :raises ConnectionResetError: if the server ends the connection by a reset.
        """
        while self._receive():
            pass
        data = bytes(self._received)
        self._received.clear()
        return data

    def read_until_cut(self) -> bytes:
        """Read until the server ends the connection, cleanly or by a reset."""
        try:
            while self._receive():
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass
        data = bytes(self._received)
        self._received.clear()
        return data

    def discard(self) -> int:
        """Read once and forget it; return how many bytes it was, 0 at the end of input."""
        return len(self._socket.recv(262_144))

    def ask(self, request: bytes) -> bytes:
        """Send one request, its line feed added, and read the one line of its reply."""
        self.send(request + b"\n")
        return self.read_line()

    def is_silent_for(self, seconds: float) -> bool:
        """Whether neither data nor the end of input comes within ``seconds``."""
        return not self._received and not select.select([self], [], [], seconds)[0]

    def shutdown_write(self) -> None:
        """Send the end of input; replies can still be read."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close at once, with a reset and not with an end of input."""
        if self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """Close as most programs do."""
        self._socket.close()

    def _receive(self) -> bool:
        data = self._socket.recv(262_144)
        self._received += data
        return bool(data)


@contextmanager
def in_background(work: Callable[[], object]) -> Iterator[None]:
    """Do ``work`` again and again in a thread, for as long as the ``with`` block lasts.

    :raises OSError: at the end of the block, if the work did.
    """
    over = threading.Event()
    failures: list[OSError] = []

    def run() -> None:
        try:
            while not over.is_set():
                work()
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    for failure in failures:
        raise failure


def eventually(condition: Callable[[], bool], *, timeout: float | None = None) -> bool:
    """Whether ``condition`` comes to hold; asked again and again where nothing tells."""
    deadline = time.monotonic() + (PATIENCE if timeout is None else timeout)
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
