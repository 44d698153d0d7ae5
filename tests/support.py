"""What many tests need: a bound on time, sockets, and a client that awaits its replies."""

import contextlib
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dumb_async import Server, Service, Settings
from dumb_async.hosting import Deadlines, Session, SessionContext, Stats, connect_to
from dumb_async.runtimes import Event, Runtime
from dumb_async.server import Address

T = TypeVar("T")

#: Seconds after which something that must happen has not.
PATIENCE = 10.0
#: Seconds to wait for what must not happen.
BRIEFLY = 0.01


def in_time(runtime: Runtime, main: Callable[[], Awaitable[T]]) -> T:
    """Run ``main``, and fail if it hangs."""
    results: list[T] = []

    async def collect() -> None:
        results.append(await main())

    async def guarded() -> None:
        assert await runtime.within(PATIENCE, collect), "it hangs"

    runtime.run(guarded)
    return results[0]


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


def context_for(service: Service, **options: Any) -> SessionContext:
    """What sessions of a server for ``service`` have in common, with settings of one's own."""
    settings, stats = Settings(**options), Stats(service.labels)
    return SessionContext(connect_to(service, settings), settings, stats, Deadlines())


def deadlines_of(session: Session[Any]) -> Deadlines:
    """Those that look after it, which can be looked into."""
    deadlines = session._context.deadlines
    assert isinstance(deadlines, Deadlines)
    return deadlines


def stats_of(session: Session[Any]) -> Stats:
    """What was counted for it."""
    return session._context.stats


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


class Started:
    """Waits for the addresses, as a nursery or task group does."""

    def __init__(self, runtime: Runtime) -> None:
        self.event: Event = runtime.event()
        self.addresses: list[Address] = []

    def started(self, value: list[Address], /) -> None:
        """See `dumb_async.server.TaskStatus`."""
        self.addresses = value
        self.event.set()


def with_server(
    runtime: Runtime, server: Server, body: Callable[[Address], Awaitable[None]]
) -> None:
    """Serve for as long as ``body`` runs, then stop gracefully."""

    async def main() -> None:
        started = Started(runtime)

        async def run_body() -> None:
            await started.event.wait()
            try:
                await body(started.addresses[0])
            finally:
                server.stop()

        async with runtime.task_group() as group:
            group.start_soon(run_body)
            await server.serve(runtime=runtime, task_status=started)

    in_time(runtime, main)


def open_descriptors() -> int:
    """How many this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


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


def logged(capfd: pytest.CaptureFixture[str]) -> str:
    """What has come to standard error, once the log is written."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    return capfd.readouterr().err
