"""What many tests need: a bound on time, sockets, and a client that awaits its replies."""

import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from dumb_async import Service, Settings
from dumb_async.hosting import Deadlines, Session, Shared, Stats, connect_to
from dumb_async.runtimes import Runtime

T = TypeVar("T")

#: Seconds after which something that must happen has not.
PATIENCE = 10.0
#: Seconds to wait for what must not happen.
BRIEFLY = 0.01


def in_time(runtime: Runtime, main: Callable[[], Awaitable[T]]) -> T:
    """Run ``main``, and fail if it hangs."""

    async def guarded() -> list[T]:
        results = []
        with runtime.cancel_scope(PATIENCE) as scope:
            results.append(await main())
        assert not scope.cancelled_caught, "it hangs"
        return results

    return runtime.run(guarded)[0]


@contextlib.contextmanager
def cpu_time(limit: float) -> Iterator[None]:
    """Fail if the body takes more than ``limit`` seconds of CPU time, however busy others are."""

    def fail(*_: object) -> None:
        raise AssertionError(f"more than {limit} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, fail)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def fill(sock: socket.socket) -> int:
    """Write until the socket takes no more; return how much it took."""
    size = 0
    try:
        while True:
            size += sock.send(b"x" * 65_536)
    except BlockingIOError:
        return size


def drain(sock: socket.socket) -> bytes:
    """Read until there is nothing left."""
    data = bytearray()
    try:
        while more := sock.recv(1_000_000):
            data += more
    except BlockingIOError:
        pass
    return bytes(data)


@contextlib.contextmanager
def tcp_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's socket and the server's end of it, neither of which blocks."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server = listener.accept()[0]
    with client, server:
        client.setblocking(False)
        server.setblocking(False)
        yield client, server


def surroundings(
    service: Service, prod: Callable[[Session], object] = lambda _: None, **options: Any
) -> Shared:
    """What sessions of a server for ``service`` share, with settings of one's own."""
    settings, stats = Settings(**options), Stats(service.labels)
    return Shared(connect_to(service, settings), settings, stats, Deadlines(), prod)


def deadlines_of(shared: Shared) -> Deadlines:
    """Those of `surroundings`, which can be looked into."""
    assert isinstance(shared.deadlines, Deadlines)
    return shared.deadlines


def stats_of(session: Session) -> Stats:
    """What was counted for it."""
    return session._shared.stats


def reset(sock: socket.socket) -> None:
    """Close with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def is_cut(sock: socket.socket) -> bool:
    """Whether the other side takes no more: it shows at the second byte at the latest."""
    try:
        for _ in range(3):
            sock.send(b"x")
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


async def read(runtime: Runtime, sock: socket.socket, size: int = 1_000_000_000) -> bytes:
    """Read ``size`` bytes, or up to the end of input."""
    data = bytearray()
    while len(data) < size:
        await runtime.wait_readable(sock.fileno())
        more = sock.recv(min(size - len(data), 1_000_000))
        if not more:
            break
        data += more
    return bytes(data)


async def converse(runtime: Runtime, address: tuple[str, int], requests: bytes) -> bytes:
    """All that a client gets who sends ``requests`` and the end of input."""
    with connect(address) as sock:
        sock.send(requests)
        sock.shutdown(socket.SHUT_WR)
        return await read(runtime, sock)


def connect(address: tuple[str, int], receive_buffer: int | None = None) -> socket.socket:
    """Connect, which takes no turn of the loop: the kernel does it for the listener."""
    sock = socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    return sock
