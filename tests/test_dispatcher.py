"""Who is readable is served in a loop; who has to wait is slept, handed over or let go."""

import logging
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dumb_async import Settings, dumb_service
from dumb_async.deadlines import Deadlines
from dumb_async.dispatcher import BATCH, Dispatcher
from dumb_async.protocol import NEED_DATA, Action, Compute, Config
from dumb_async.session import Session, Shared
from dumb_async.stats import Stats

from .support import PATIENCE, drain, reset, tcp_pair

Pair = tuple[socket.socket, Session]


class Bench:
    """A dispatcher, its clients, and what it has handed over."""

    def __init__(self, stack: ExitStack) -> None:
        service = dumb_service()
        self.stats = Stats(service.labels)
        self.started: list[tuple[Session, Action]] = []
        self.dispatcher = Dispatcher(self.stats, lambda *pair: self.started.append(pair))
        self._shared = Shared(Config(service), Settings(), self.stats, Deadlines())
        self._stack = stack

    def connect(self, kind: type[Session] = Session) -> Pair:
        """Add a new client; return it, and the session made for it."""
        client, server = self._stack.enter_context(tcp_pair())
        session = kind(server, self._shared)
        self.dispatcher.add(session)
        return client, session

    def dispatch(self) -> None:
        """Wait until somebody can be served, and serve."""
        assert self.is_ready(PATIENCE)
        self.dispatcher.dispatch()

    def is_ready(self, timeout: float = 0.0) -> bool:
        """Whether a runtime would call the dispatcher."""
        return bool(select.select([self.dispatcher._epoll.fileno()], [], [], timeout)[0])


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A new dispatcher."""
    with ExitStack() as stack:
        one = Bench(stack)
        yield one
        one.dispatcher.close()


def is_closed(client: socket.socket) -> bool:
    """Whether the server has closed the connection."""
    select.select([client], [], [], PATIENCE)
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_request_costs_no_task(bench: Bench) -> None:
    """It is answered where it was read."""
    client, session = bench.connect()
    for _ in range(3):
        client.send(b"PING\n")
        bench.dispatch()
        assert b"PONG\n" == drain(client)
    assert [] == bench.started
    assert not session.busy
    assert not bench.is_ready()


def test_clients_are_counted(bench: Bench) -> None:
    """As they come and go."""
    one, two = bench.connect()[0], bench.connect()[0]
    assert (2, 2) == (len(bench.dispatcher), bench.stats.active)
    one.close()
    bench.dispatch()
    assert (1, 1) == (len(bench.dispatcher), bench.stats.active)
    two.close()
    bench.dispatch()
    assert (0, 0) == (len(bench.dispatcher), bench.stats.active)


def test_what_needs_a_task_is_handed_over(bench: Bench) -> None:
    """Meanwhile the client is not read: what it sends stays in the kernel."""
    client, session = bench.connect()
    client.send(b"BURN 5000\n")
    bench.dispatch()
    ((handed, action),) = bench.started
    assert (session, True) == (handed, isinstance(action, Compute))
    assert session.busy
    client.send(b"PING\n")
    assert not bench.is_ready()
    assert isinstance(action, Compute)
    session.connection.compute(action)
    assert NEED_DATA is session.answer()
    bench.dispatcher.carry_on(session, NEED_DATA)
    assert not session.busy
    bench.dispatch()
    assert b"RESULT 12502500\nPONG\n" == drain(client)


def test_a_wait_needs_no_task(bench: Bench) -> None:
    """The client sleeps, unread, and goes on when it is woken."""
    client, session = bench.connect()
    client.send(b"WAIT 5\nWAIT 7\n")
    bench.dispatch()
    client.send(b"?\n")
    assert not bench.is_ready()
    assert session.nap is not None
    bench.dispatcher.sleepers.wake(session.nap[0])
    assert b"DONE\n" == drain(client)
    assert session.busy
    bench.dispatcher.sleepers.wake(session.nap[0])
    assert b"DONE\n" == drain(client)
    assert not session.busy
    bench.dispatch()
    assert b"UNKNOWN_COMMAND\n" == drain(client)
    assert [] == bench.started


def test_the_end_of_input_closes(bench: Bench) -> None:
    """After everything is answered."""
    client, session = bench.connect()
    client.send(b"PING\nPIN")
    client.shutdown(socket.SHUT_WR)
    bench.dispatch()
    assert b"PONG\n" == client.recv(100)
    assert is_closed(client)
    assert -1 == session.sock.fileno()
    assert not session.watched


def test_a_reset_client_is_forgotten(bench: Bench) -> None:
    """And counted."""
    client, session = bench.connect()
    reset(client)
    bench.dispatch()
    assert 0 == len(bench.dispatcher)
    assert 1 == bench.stats.resets
    assert -1 == session.sock.fileno()


def test_a_reset_client_does_not_sleep_on(bench: Bench) -> None:
    """Whatever it was waiting for."""
    client, session = bench.connect()
    client.send(b"WAIT 86400\n")
    bench.dispatch()
    reset(client)
    bench.dispatch()
    assert 0 == len(bench.dispatcher)
    assert 1 == bench.stats.resets
    assert session.nap is None
    assert not bench.dispatcher.sleepers.wake(1e12)


def test_what_is_done_for_a_reset_client_is_cancelled(bench: Bench) -> None:
    """Its task is the one that closes; nobody looks at it twice."""

    class Scope:
        cancelled_caught = False
        cancelled = 0

        def cancel(self) -> None:
            self.cancelled += 1

    client, session = bench.connect()
    client.send(b"BURN 5000\n")
    bench.dispatch()
    session.scope = scope = Scope()
    reset(client)
    bench.dispatch()
    assert 1 == scope.cancelled
    assert not session.watched
    assert not bench.is_ready()
    assert 1 == len(bench.dispatcher)
    bench.dispatcher.remove(session)
    assert 0 == len(bench.dispatcher)


def test_a_reset_before_its_task_has_begun_is_seen(bench: Bench) -> None:
    """There is nothing to cancel yet."""
    client, session = bench.connect()
    client.send(b"BURN 5000\n")
    bench.dispatch()
    reset(client)
    bench.dispatch()
    assert session.scope is None
    assert not session.watched


def test_a_client_that_ends_while_it_waits_is_kept(bench: Bench) -> None:
    """It may have shut its sending side only."""
    client, session = bench.connect()
    client.send(b"WAIT 5\n")
    client.shutdown(socket.SHUT_WR)
    bench.dispatch()
    assert not bench.is_ready()
    assert session.nap is not None
    bench.dispatcher.sleepers.wake(session.nap[0])
    bench.dispatch()
    assert b"DONE\n" == client.recv(100)
    assert is_closed(client)


def test_a_reset_is_noticed_when_a_sleeper_is_woken(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the write should be what shows it."""
    client, session = bench.connect()
    client.send(b"WAIT 5\n")
    bench.dispatch()

    def fail(_: object) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(Session, "send", lambda _, data: fail(data))
    assert session.nap is not None
    bench.dispatcher.sleepers.wake(session.nap[0])
    assert 0 == len(bench.dispatcher)
    assert 1 == bench.stats.resets


@pytest.mark.parametrize("when", ["reading", "waking"])
def test_a_bug_costs_one_connection(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, when: str
) -> None:
    """It is logged, and others are served in the same turn."""
    unlucky, session = bench.connect()
    other = bench.connect()[0]
    if when == "waking":
        unlucky.send(b"WAIT 5\n")
        bench.dispatch()
    nap = session.nap
    answer = Session.answer

    def buggy(self: Session) -> Any:
        if self is session:
            raise ZeroDivisionError
        return answer(self)

    monkeypatch.setattr(Session, "answer", buggy)
    unlucky.send(b"PING\n")
    other.send(b"PING\n")
    with caplog.at_level(logging.ERROR):
        bench.dispatch()
        if nap is not None:
            bench.dispatcher.sleepers.wake(nap[0])
    assert b"PONG\n" == drain(other)
    assert is_closed(unlucky)
    assert 1 == len(bench.dispatcher)
    assert 0 == bench.stats.resets
    assert ["a bug in the server: connection dropped"] == [
        record.message.splitlines()[0].removesuffix(": ZeroDivisionError")
        for record in caplog.records
    ]


def test_a_turn_is_bounded(bench: Bench) -> None:
    """However many clients are readable: the others come in the next."""
    clients = [bench.connect()[0] for _ in range(BATCH + 5)]
    for client in clients:
        client.send(b"PING\n")
    bench.dispatch()
    assert BATCH == bench.stats.requests["ping"]
    assert bench.is_ready()
    bench.dispatch()
    assert [b"PONG\n"] * (BATCH + 5) == [drain(client) for client in clients]


def test_one_client_without_pause_does_not_prolong_a_turn(bench: Bench) -> None:
    """A turn ends even if there is always something to read."""
    reads: list[float] = []

    class Endless(Session):
        def receive(self, now: float) -> Any:
            reads.append(now)
            return NEED_DATA

    client = bench.connect(Endless)[0]
    client.send(b"PING\n")
    bench.dispatch()
    assert BATCH == len(reads)


def test_draining_ends_everybodys_input(bench: Bench) -> None:
    """What had come in is answered; whoever is served meanwhile goes on."""
    idle, asking, waiting = bench.connect()[0], bench.connect()[0], bench.connect()
    waiting[0].send(b"WAIT 5\n")
    bench.dispatch()
    asking.send(b"PING\n")
    empty: list[bool] = []
    bench.dispatcher.drain(lambda: empty.append(True))
    while len(bench.dispatcher) > 1:
        bench.dispatch()
    assert is_closed(idle)
    assert b"PONG\n" == asking.recv(100)
    assert is_closed(asking)
    assert (1, []) == (len(bench.dispatcher), empty)
    nap = waiting[1].nap
    assert nap is not None
    bench.dispatcher.sleepers.wake(nap[0])
    bench.dispatch()
    assert b"DONE\n" == waiting[0].recv(100)
    assert [True] == empty


def test_draining_nobody_is_over_at_once(bench: Bench) -> None:
    """There is nothing to wait for."""
    empty: list[bool] = []
    bench.dispatcher.drain(lambda: empty.append(True))
    assert [True] == empty


def test_closing_closes_everybody(bench: Bench) -> None:
    """In whatever state they are."""
    clients = [bench.connect()[0] for _ in range(3)]
    for client, data in zip(clients, (b"WAIT 5\n", b"BURN 5000\n", b"PIN"), strict=True):
        client.send(data)
    bench.dispatch()
    bench.dispatcher.close()
    assert all(map(is_closed, clients))
    assert 0 == bench.stats.active


def test_who_was_removed_is_removed(bench: Bench) -> None:
    """Twice does no harm."""
    client, session = bench.connect()
    client.send(b"PING\n")
    bench.dispatcher.remove(session)
    bench.dispatcher.remove(session)
    bench.dispatcher.unwatch(session)
    bench.dispatcher.dispatch()
    assert 0 == bench.stats.requests["ping"]


def test_who_was_removed_in_the_same_turn_is_not_served(bench: Bench) -> None:
    """By what was done for another one."""
    sessions: list[Session] = []

    class Mutual(Session):
        def receive(self, now: float) -> Any:
            for session in sessions:
                if session is not self:
                    bench.dispatcher.remove(session)
            return super().receive(now)

    for _ in range(2):
        client, session = bench.connect(Mutual)
        sessions.append(session)
        client.send(b"PING\n")
    bench.dispatch()
    assert 1 == bench.stats.requests["ping"]
    assert 1 == len(bench.dispatcher)
