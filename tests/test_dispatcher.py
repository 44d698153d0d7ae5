"""Who is readable is served in a loop; who has to wait is slept, handed over or let go."""

import logging
import select
import socket
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import ExitStack
from time import monotonic
from typing import Any

import pytest

from dumb_async import dumb_service
from dumb_async.dispatcher import BATCH, Dispatcher
from dumb_async.hosting.session import Session
from dumb_async.protocol import (
    NEED_DATA,
    Action,
    Close,
    Compute,
    Config,
    Connection,
    NeedData,
    Send,
)

from .support import PATIENCE, drain, fill, reset, surroundings, tcp_pair

Pair = tuple[socket.socket, Session]


class Bench:
    """A dispatcher, its clients, and what it has handed over."""

    def __init__(self, stack: ExitStack) -> None:
        self.shared = surroundings(dumb_service(), self._prod)
        self.stats = self.shared.stats
        self.started: list[tuple[Session, Action]] = []
        self.moves = 0
        self.dispatcher = Dispatcher(
            self.stats, lambda *pair: self.started.append(pair), self._moved
        )
        self._stack = stack

    def _prod(self, session: Session) -> None:
        self.dispatcher.prod(session)

    def _moved(self) -> None:
        self.moves += 1

    def connect(self, kind: type[Session] = Session) -> Pair:
        """Add a new client; return it, and the session made for it."""
        client, server = self._stack.enter_context(tcp_pair())
        session = kind(server, self.shared)
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
    bench.dispatcher.sleepers.run_due(session.nap[0])
    assert b"DONE\n" == drain(client)
    assert session.busy
    bench.dispatcher.sleepers.run_due(session.nap[0])
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
    assert not bench.dispatcher.sleepers.run_due(1e12)


def test_what_is_done_for_a_reset_client_is_cancelled(bench: Bench) -> None:
    """Its task is the one that closes; nobody looks at it twice."""
    cancelled: list[bool] = []
    client, session = bench.connect()
    client.send(b"BURN 5000\n")
    bench.dispatch()
    session.cancel = lambda: cancelled.append(True)
    reset(client)
    bench.dispatch()
    assert [True] == cancelled
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
    assert session.cancel is None
    assert not session.watched


def test_a_client_that_ends_while_it_waits_is_kept(bench: Bench) -> None:
    """It may have shut its sending side only."""
    client, session = bench.connect()
    client.send(b"WAIT 5\n")
    client.shutdown(socket.SHUT_WR)
    bench.dispatch()
    assert not bench.is_ready()
    assert session.nap is not None
    bench.dispatcher.sleepers.run_due(session.nap[0])
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
    bench.dispatcher.sleepers.run_due(session.nap[0])
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
            bench.dispatcher.sleepers.run_due(nap[0])
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
    idle, asking, waiting = bench.connect()[0], bench.connect(), bench.connect()
    waiting[0].send(b"WAIT 5\n")
    bench.dispatch()
    asking[0].send(b"PING\n")
    empty: list[bool] = []
    bench.dispatcher.drain(lambda: empty.append(True))
    while not bench.started:
        bench.dispatch()
    assert [(asking[1], Close())] == bench.started  # to read away what it may still say
    assert b"PONG\n" == drain(asking[0])
    bench.dispatcher.remove(asking[1])
    assert is_closed(idle)
    assert (1, []) == (len(bench.dispatcher), empty)
    nap = waiting[1].nap
    assert nap is not None
    bench.dispatcher.sleepers.run_due(nap[0])
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


class Talker(Connection):
    """A core that also speaks unasked, once what was asked is answered."""

    def __init__(
        self, config: Config, counts: MutableMapping[str, int], prod: Callable[[], object]
    ) -> None:
        super().__init__(config, counts)
        self._prod = prod
        self._unsaid: list[Send | Exception] = []

    def say(self, *words: bytes | Exception) -> None:
        """Have something to say, or to fail at."""
        self.settled = False
        self._unsaid += [Send(word) if isinstance(word, bytes) else word for word in words]
        self._prod()

    def next_action(self) -> Action | NeedData:
        """See `Connection.next_action`."""
        action = super().next_action()
        if action is not NEED_DATA or not self._unsaid:
            return action
        self.settled = False
        word = self._unsaid.pop(0)
        if isinstance(word, Exception):
            raise word
        return word


@pytest.fixture
def talking(bench: Bench) -> Bench:
    """A dispatcher of cores that speak unasked."""
    config = Config(dumb_service())
    bench.shared.connect = lambda counts, prod: Talker(config, counts, prod)
    return bench


def talk(bench: Bench) -> tuple[socket.socket, Session, Talker]:
    """A new client, its session and core."""
    client, session = bench.connect()
    assert isinstance(session.connection, Talker)
    return client, session, session.connection


def soon(bench: Bench) -> None:
    """Wake those who want to go on at once."""
    bench.dispatcher.sleepers.run_due(monotonic())


def test_a_core_may_speak_unasked(talking: Bench) -> None:
    """Soon, not from within whoever made it speak; and the loop is woken for it."""
    client, session, core = talk(talking)
    core.say(b"hello\n")
    assert b"" == drain(client)
    assert 1 == talking.moves
    soon(talking)
    assert b"hello\n" == drain(client)
    assert not session.busy
    assert [] == talking.started
    client.send(b"PING\n")
    talking.dispatch()
    assert b"PONG\n" == drain(client)


def test_a_core_that_speaks_twice_is_asked_once(talking: Bench) -> None:
    """Everything is said all the same, and then there is nobody to wake."""
    client, session, core = talk(talking)
    core.say(b"hello\n")
    core.say(b"and bye\n")
    soon(talking)
    ((handed, action),) = talking.started
    assert (session, Send(b"and bye\n")) == (handed, action)
    assert b"hello\n" == drain(client)
    assert talking.dispatcher.sleepers.next is None


def test_a_core_that_has_said_it_already_is_asked_in_vain(talking: Bench) -> None:
    """The client asked something just then, and got it with the reply."""
    client, session, core = talk(talking)
    core.say(b"hello\n")
    client.send(b"PING\n")
    talking.dispatch()
    ((_, action),) = talking.started
    assert (b"PONG\n", Send(b"hello\n")) == (drain(client), action)
    session.send(b"hello\n")
    talking.dispatcher.carry_on(session, session.answer())
    soon(talking)
    assert not session.busy
    assert b"hello\n" == drain(client)


def test_who_is_busy_speaks_afterwards(talking: Bench) -> None:
    """The core is asked for more then anyway."""
    client, session, core = talk(talking)
    client.send(b"WAIT 5\n")
    talking.dispatch()
    core.say(b"hello\n")
    soon(talking)
    assert b"" == drain(client)
    assert session.nap is not None
    talking.dispatcher.sleepers.run_due(session.nap[0])
    assert b"DONE\n" == drain(client)
    ((_, action),) = talking.started
    assert Send(b"hello\n") == action
    assert talking.dispatcher.sleepers.next is None


def test_speaking_cuts_no_wait_short(talking: Bench) -> None:
    """One that begins between the word and its saying."""
    client, session, core = talk(talking)
    core.say(b"hello\n")
    client.send(b"WAIT 5\n")
    talking.dispatch()
    nap = session.nap
    soon(talking)
    assert b"" == drain(client)
    assert nap is not None
    assert nap is session.nap
    talking.dispatcher.sleepers.run_due(nap[0])
    assert b"DONE\n" == drain(client)


def test_speaking_disturbs_no_work(talking: Bench) -> None:
    """Which begins between the word and its saying: a task has the core then."""
    client, session, core = talk(talking)
    core.say(b"hello\n")
    client.send(b"BURN 5000\n")
    talking.dispatch()
    soon(talking)
    ((_, action),) = talking.started
    assert isinstance(action, Compute)
    assert session.watched
    assert session.nap is None
    session.connection.compute(action)
    assert Send(b"hello\n") == session.answer()
    assert b"RESULT 12502500\n" == drain(client)


def test_words_that_a_client_does_not_take_need_a_task(talking: Bench) -> None:
    """As replies do."""
    _, session, core = talk(talking)
    fill(session.sock)
    core.say(b"hello\n")
    soon(talking)
    assert [(session, Send(b"hello\n"))] == talking.started
    assert session.busy


def test_who_leaves_before_it_was_said_is_gone(talking: Bench) -> None:
    """Nobody speaks to it, then or later."""
    client, session, core = talk(talking)
    core.say(b"hello\n")
    client.close()
    talking.dispatch()
    core.say(b"are you there?\n")
    soon(talking)
    assert 0 == len(talking.dispatcher)
    assert session.nap is None


def test_a_core_that_fails_to_speak_costs_one_connection(
    talking: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; others are spoken to in the same turn."""
    unlucky, _, failing = talk(talking)
    other, _, core = talk(talking)
    failing.say(ZeroDivisionError())
    core.say(b"hello\n")
    with caplog.at_level(logging.ERROR):
        soon(talking)
    assert is_closed(unlucky)
    assert b"hello\n" == drain(other)
    assert 1 == len(talking.dispatcher)
    assert 1 == len(caplog.records)


def test_one_client_can_speak_to_another(talking: Bench) -> None:
    """In the very turn in which it was read."""
    one, _, core = talk(talking)
    other, _, listener = talk(talking)
    receive = core.receive_data

    def receive_and_tell(data: bytes) -> None:
        listener.say(b"told: " + data)
        receive(data)

    core.receive_data = receive_and_tell  # type: ignore[method-assign]
    one.send(b"PING\n")
    talking.dispatch()
    soon(talking)
    assert (b"PONG\n", b"told: PING\n") == (drain(one), drain(other))
