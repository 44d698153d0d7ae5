"""Servers that misbehave, each in one way: threads of the test's own process."""

import contextlib
import select
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

#: Seconds after which a thread that should have ended is given up.
PATIENCE: Final = 10.0
#: Right replies to the requests that tests send to a `Recorder`.
REPLIES: Final = {
    b"PING": b"PONG\n",
    b"WAIT 0": b"DONE\n",
    b"BURN 3": b"RESULT 6\n",
    b"STREAM 4": b"AAAADONE\n",
}

#: What is done with one connection; it is closed afterwards.
Behaviour = Callable[[socket.socket], None]


class Faulty:
    """A listening socket, and a thread for each of its connections.

    Leaving its ``with`` block ends all of them.

    :param behave: called with each connection.
    :param host: to listen on, of IPv4 or IPv6.
    :param receive_buffer: bytes the kernel may keep for a connection; 0: as it sees fit.
    """

    def __init__(
        self, behave: Behaviour, host: str = "127.0.0.1", *, receive_buffer: int = 0
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._behave = behave
        self._listener = socket.socket(family)
        if receive_buffer:  # inherited by its connections
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind((host, 0))
        self._listener.listen(128)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        #: When each connection was accepted, on the monotonic clock.
        self.accepted: list[float] = []
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._threads[0].join(PATIENCE)
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listener.close()

    @property
    def target(self) -> str:
        """Where it listens, as a command line has it."""
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # it is over
                return
            self.accepted.append(time.monotonic())
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._behave(connection)


class Recorder:
    """Answers as it should, and remembers what it was asked: a `Behaviour`.

    :param delay: seconds until it answers. Where it takes long, even a generator on a busy
        machine is not late in comparison, and its results are valid.
    """

    def __init__(self, delay: float = 0.0) -> None:
        self._delay = delay
        self._lock = threading.Lock()
        #: How often each line was asked.
        self.asked: Counter[bytes] = Counter()
        #: When each request came, by connection, in the order of their first requests.
        self.instants: list[list[float]] = []

    def __call__(self, connection: socket.socket) -> None:
        """Serve one connection."""
        instants: list[float] = []
        for line in lines(connection):
            with self._lock:
                self.asked[line] += 1
                if not instants:
                    self.instants.append(instants)
            instants.append(time.monotonic())
            time.sleep(self._delay)
            connection.sendall(REPLIES[line])


def lines(connection: socket.socket) -> Iterator[bytes]:
    """Yield each line that comes in, without its end."""
    with connection.makefile("rb") as file:
        for line in file:
            yield line.rstrip(b"\n")


def saying(reply: bytes) -> Behaviour:
    """Give this reply to every line, whatever it asks."""

    def behave(connection: socket.socket) -> None:
        for _ in lines(connection):
            connection.sendall(reply)

    return behave


def hanging_up(reply: bytes = b"") -> Behaviour:
    """Say this to the first line, and close in good order."""

    def behave(connection: socket.socket) -> None:
        if next(lines(connection), None) is not None:
            connection.sendall(reply)

    return behave


def blurting(text: bytes) -> Behaviour:
    """Say this before anything was asked, and go on as one should."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(text)
        saying(b"PONG\n")(connection)

    return behave


def lavish(connection: socket.socket) -> None:
    """Say PONG for each line, and take next to no time for it."""
    while data := connection.recv(65_536):
        connection.sendall(b"PONG\n" * data.count(b"\n"))


def resetting(connection: socket.socket) -> None:
    """Reset the connection when something was asked."""
    if connection.recv(1):
        _reset(connection)


def resetting_at_end(connection: socket.socket) -> None:
    """Answer all, and reset the connection at the end of input."""
    lavish(connection)
    _reset(connection)


def lingering(connection: socket.socket) -> None:
    """Answer all, and never close."""
    lavish(connection)
    deaf(connection)


def babbling(connection: socket.socket) -> None:
    """Answer all, and after the end of input say something again and again."""
    lavish(connection)
    while True:
        connection.sendall(b"and another thing\n")
        time.sleep(0.02)


def mute(connection: socket.socket) -> None:
    """Read all, and say nothing."""
    while connection.recv(65_536):
        pass


def deaf(connection: socket.socket) -> None:
    """Read nothing, and say nothing, until the client resets or the server ends."""
    poll = select.poll()
    poll.register(connection, 0)  # errors and hang-ups alone
    poll.poll(PATIENCE * 1000)


@contextlib.contextmanager
def full_backlog() -> Iterator[tuple[str, int]]:
    """A listening socket whose backlog is full, since nobody accepts: its address."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
