"""The handler on the hand-made scheduler: a server of tasks, whose turns the test gives."""

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from time import monotonic
from typing import Any

import pytest

from dumb_async.hosting import PAUSE, Acceptor
from variants.chat import Room
from variants.coro import Coro

from ..support import PATIENCE, reset
from .conftest import MakeHost


class Served:
    """A server and who is connected to it. Nothing happens but in a turn."""

    def __init__(self, make_host: MakeHost, stack: ExitStack, **options: Any) -> None:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.setblocking(False)
        self.address = listener.getsockname()
        self.host = make_host(listener, **options)
        self.coro = Coro(self.host)
        self.tasks = self.coro.scheduler._tasks
        self.own = set(self.tasks)  # those that are no client's
        self._stack = stack

    def connect(self) -> socket.socket:
        """A new client, which is let in or refused."""
        before = self.host.stats.connections + sum(self.host.stats.rejected.values())
        client = self._stack.enter_context(socket.create_connection(self.address))
        client.setblocking(False)
        self.turn_until(
            lambda: before < self.host.stats.connections + sum(self.host.stats.rejected.values())
        )
        return client

    def turn_until(self, condition: Callable[[], bool]) -> None:
        """Give turns until something holds."""
        deadline = monotonic() + PATIENCE
        while not condition():
            assert monotonic() < deadline, "it does not come to hold"
            self.coro.scheduler.run_once()

    def hear(self, client: socket.socket, size: int) -> bytes:
        """Give turns until the client has got so much, or the end of input."""
        data = bytearray()

        def has_come() -> bool:
            try:
                more = client.recv(1_000_000)
            except BlockingIOError:
                return False
            data.extend(more)
            return len(data) >= size or not more

        self.turn_until(has_come)
        return bytes(data)

    def end(self) -> None:
        """Have everybody leave, and the server stop."""
        self.host.stop()
        self.host.cancel()
        for session in self.host._rejected:
            session.cancel()
        self.turn_until(lambda: self.tasks == {})

    @property
    def clients(self) -> set[int]:
        """The descriptors of all tasks that are of clients."""
        return set(self.tasks) - self.own


@pytest.fixture
def serve(make_host: MakeHost) -> Iterator[Callable[..., Served]]:
    """Make servers with settings of one's own."""
    with ExitStack() as stack:

        def start(**options: Any) -> Served:
            served = Served(make_host, stack, **options)
            stack.callback(served.end)
            return served

        yield start


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    """One with default settings."""
    return serve()


def test_a_client_is_a_task(served: Served) -> None:
    """From when it is let in until it leaves."""
    clients = [served.connect() for _ in range(3)]
    assert (3, 3) == (len(served.clients), served.host.count())
    for client in clients:
        client.close()
    served.turn_until(lambda: served.host.count() == 0)
    assert set() == served.clients


def test_all_that_is_asked_is_answered(served: Served) -> None:
    """At once, in time, in turns, and piece by piece as the client takes it."""
    client = served.connect()
    client.send(b"PING\nWAIT 0.01\nBURN 50000\nSTREAM 20000000\nPING\n")
    expected = b"PONG\nDONE\nRESULT 1250025000\n" + b"A" * 20_000_000 + b"DONE\nPONG\n"
    assert (expected == served.hear(client, len(expected))) is True


def test_who_waits_keeps_nobody_waiting(served: Served) -> None:
    """Whatever for."""
    requests = (b"WAIT 3600\n", b"BURN 1000000000000\n", b"STREAM 1000000000\n", b"PIN")
    for request in requests:
        served.connect().send(request)
    client = served.connect()
    client.send(b"PING\n")
    assert b"PONG\n" == served.hear(client, 5)


@pytest.mark.parametrize(
    "request_", [b"", b"WAIT 3600\n", b"BURN 1000000000000\n", b"STREAM 1000000000\n"]
)
def test_a_reset_ends_the_task(served: Served, request_: bytes) -> None:
    """Wherever it stands; it is counted."""
    client = served.connect()
    client.send(b"PING\n" + request_)
    served.hear(client, 5)
    reset(client)
    served.turn_until(lambda: served.host.count() == 0)
    assert (set(), 1) == (served.clients, served.host.stats.resets)


@pytest.mark.parametrize("request_", [b"", b"WAIT 3600\n", b"BURN 1000000000000\n"])
def test_a_cancel_ends_the_task(served: Served, request_: bytes) -> None:
    """That is no loss."""
    client = served.connect()
    client.send(b"PING\n" + request_)
    served.hear(client, 5)
    served.host.cancel()
    served.turn_until(lambda: served.host.count() == 0)
    assert (set(), 0) == (served.clients, served.host.stats.resets)


def test_who_is_told_to_go_is_read_away(serve: Callable[..., Served]) -> None:
    """Until it has ended its side."""
    served = serve(limit_line=10)
    client = served.connect()
    client.send(b"x" * 100_000)
    assert b"LINE_TOO_LONG\n" == served.hear(client, 100)  # and the end of input
    assert 1 == served.host.count()
    client.send(b"more")
    client.shutdown(socket.SHUT_WR)
    served.turn_until(lambda: served.host.count() == 0)
    assert (set(), 0) == (served.clients, served.host.stats.resets)


def test_who_is_refused_is_a_task_as_well(serve: Callable[..., Served]) -> None:
    """It is no client, and is read away."""
    served = serve(limit_connections=1)
    served.connect()
    refused = served.connect()
    assert b"SERVER_BUSY\n" == served.hear(refused, 100)
    assert (2, 1) == (len(served.clients), served.host.count())
    refused.close()
    served.turn_until(lambda: len(served.clients) == 1)
    assert set() == served.host._rejected


def test_who_is_refused_is_never_connected_to_the_service(serve: Callable[..., Served]) -> None:
    """It is asked nothing: in a chat, it takes no number and hears nobody."""
    room = Room()
    served = serve(service=room, limit_connections=1)
    for _ in range(2):
        served.connect()
    assert 1 == served.host.stats.rejected["busy"]
    assert [1] == list(room.members)


def test_deadlines_are_kept(serve: Callable[..., Served]) -> None:
    """Of who is silent, of who does not end a line, of who takes nothing."""
    served = serve(timeout_idle=0.3, timeout_line=0.1, timeout_write=0.2)
    for request in (b"", b"PIN", b"STREAM 1000000000\n"):
        served.connect().send(request)
    served.turn_until(lambda: served.host.count() == 0)
    assert {"idle": 1, "line": 1, "write": 1} == served.host.stats.timeouts
    assert set() == served.clients


def test_a_stop_ends_all_tasks(served: Served) -> None:
    """Those that listen, and those of clients once they are answered; who waits is let in."""
    idle, busy = served.connect(), served.connect()
    busy.send(b"PING\nWAIT 0.05\nBURN 3\n")
    assert b"PONG\n" == served.hear(busy, 5)
    late = socket.create_connection(served.address)
    with late:
        served.host.stop()
        assert b"DONE\nRESULT 6\n" == served.hear(busy, 100)
        assert b"" == served.hear(idle, 1)
        served.turn_until(lambda: served.host.over)
        assert b"" == late.recv(1)
    assert {} == served.tasks
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(served.address)


def test_how_late_tasks_run_is_counted(served: Served) -> None:
    """Again and again."""
    served.turn_until(lambda: sum(served.host.stats.lag_counts) >= 2)


def test_who_runs_out_of_something_pauses(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not ask again and again for what it cannot have, and goes on later."""
    outcomes, pauses = [False, True], []
    really = Acceptor.accept_burst

    def accept_burst(acceptor: Acceptor, listener: socket.socket, *most: int) -> bool:
        return (not outcomes or outcomes.pop(0)) and really(acceptor, listener, *most)

    sleep = served.coro.scheduler.schedule.sleep

    def note(who: Any, seconds: float) -> None:
        if who.fd >= 0:  # else it is the one that measures the lag
            pauses.append(seconds)
        sleep(who, seconds)

    monkeypatch.setattr(Acceptor, "accept_burst", accept_burst)
    monkeypatch.setattr(served.coro.scheduler.schedule, "sleep", note)
    served.connect()
    assert ([], [PAUSE]) == (outcomes, pauses)


def test_who_pauses_during_a_stop_ends_once(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it is woken by the stop, and would be by its time."""
    client = served.connect()
    client.send(b"PING\nWAIT %g\n" % (3 * PAUSE))
    served.hear(client, 5)
    with monkeypatch.context() as patch:
        ran_out: list[Acceptor] = []

        def run_out(acceptor: Acceptor, *_: Any) -> bool:
            ran_out.append(acceptor)
            return False

        patch.setattr(Acceptor, "accept_burst", run_out)
        with socket.create_connection(served.address):
            served.turn_until(lambda: bool(ran_out))
            served.host.stop()
            assert b"DONE\n" == served.hear(client, 100)
            served.turn_until(lambda: served.host.over)
    assert {} == served.tasks


class Full:
    """Stands in for an epoll that takes nobody more."""

    def __init__(self, epoll: select.epoll) -> None:
        self.poll, self.modify = epoll.poll, epoll.modify

    def register(self, *_: int) -> None:
        """See `select.epoll`."""
        raise OSError(28, "No space left on device")


def fill_up(served: Served) -> None:
    """Have nobody more be watched."""
    full: Any = Full(served.coro.scheduler._epoll)
    served.coro.scheduler._epoll = full


def test_who_cannot_be_watched_is_no_client(served: Served) -> None:
    """Or the server would wait for it to leave, for ever."""
    fill_up(served)
    client = served.connect()
    assert b"" == served.hear(client, 1)
    assert {"busy": 0, "enospc": 1} == served.host.stats.rejected
    assert (set(), set(), 0) == (
        served.host.sessions,
        served.clients,
        served.host.stats.connections,
    )


def test_who_cannot_be_watched_though_refused_is_forgotten(served: Served) -> None:
    """Only so many can be refused at a time: each that stayed would be one fewer."""
    fill_up(served)
    served.host.limit_clients(0, "full")
    client = served.connect()
    assert b"SERVER_BUSY\n" == served.hear(client, 100)
    assert (set(), set()) == (served.host._rejected, served.clients)
