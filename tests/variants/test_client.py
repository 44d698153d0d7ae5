"""One client in steps: what each leaves it waiting for, and how it ends."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dumb_async import Compute, Service, Settings, Sleep, dumb_service
from dumb_async.hosting import (
    AT_ONCE,
    LINGER,
    LoggedSession,
    Session,
    SessionContext,
    Stats,
    connect_to,
)
from dumb_async.protocol import NEED_DATA, Action, Close, Core, NeedData, Send
from variants.common.client import Client
from variants.common.schedule import LONGEST_WAIT, Schedule
from variants.common.state import State

from ..support import PATIENCE, drain, fill, reset

READING, BUSY, WRITING = State.READING, State.BUSY, State.WRITING
LINGERING, CLOSED = State.LINGERING, State.CLOSED

Pair = tuple[socket.socket, socket.socket]


class Here(SessionContext):
    """What the clients of a table have in common; notes who has left."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.gone: list[Session[Any]] = []

    def left(self, session: Session[Any]) -> None:
        """See `SessionContext`."""
        self.gone.append(session)


class Table:
    """A client at one end of a connection, its own side at the other, and all around it."""

    def __init__(self, pair: Pair, service: Service | None = None, **options: Any) -> None:
        self.mine, self.server = pair
        service, settings = service or dumb_service(), Settings(**options)
        self.stats = Stats(service.labels)
        self.schedule = Schedule[Client](self.resume)
        connect = connect_to(service, settings)
        self.context = Here(connect, settings, self.stats, self.schedule.deadlines)

    def seat(self) -> Client:
        """The client."""
        return Client(self.server, self.context, self.schedule)

    def resume(self, client: Client) -> None:
        """Its time has come, or its turn: close it if it is at its end, as a loop does."""
        if client.resume() is CLOSED:
            client.close()

    def ask(self, client: Client, requests: bytes) -> State:
        """Send, and let it be read."""
        self.mine.send(requests)
        return client.ready()

    def dismiss(self, client: Client) -> None:
        """Ask for what the client is told to go for."""
        assert BUSY is self.ask(client, b"x" * 2000)
        assert 1 == self.take_turns(client)
        assert LINGERING is client.state

    def take_turns(self, client: Client) -> int:
        """Give turns to whoever wants one, until nobody does: how many there were."""
        turns = 0
        while client.state is BUSY:
            assert 0 == self.schedule.timeout(), "it is busy, and wants neither time nor turn"
            self.schedule.run_due()
            turns += 1
        return turns


@pytest.fixture
def narrow() -> Iterator[Pair]:
    """A client's socket and the server's end of it, which takes little at a time."""
    one, two = socket.socketpair()
    with one, two:
        one.setblocking(False)
        two.setblocking(False)
        two.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least there is
        yield one, two


@pytest.fixture
def table(pair: Pair, now: list[float]) -> Table:
    """A table at 1000 on the clock."""
    assert now
    return Table(pair)


def test_a_request_is_answered_in_one_step(table: Table) -> None:
    """And nothing has to wait for anything."""
    client = table.seat()
    assert READING is client.state
    assert READING is table.ask(client, b"PING\nBURN 3\nPIN")
    assert b"PONG\nRESULT 6\n" == drain(table.mine)
    assert READING is client.ready()  # wake-ups can be spurious


def test_a_wait_is_a_timer(table: Table, now: list[float]) -> None:
    """And what was asked behind it comes after it."""
    client = table.seat()
    assert BUSY is table.ask(client, b"WAIT 5\nPING\n")
    assert 5.0 == table.schedule.timeout()
    assert b"" == drain(table.mine)
    now[0] = 1005.0
    table.schedule.run_due()
    table.take_turns(client)
    assert b"DONE\nPONG\n" == drain(table.mine)
    assert READING is client.state


def test_what_comes_after_a_reply_has_a_turn_of_its_own(table: Table) -> None:
    """Nobody has two turns in one."""
    client = table.seat()
    assert BUSY is table.ask(client, b"PING\nWAIT 5\n")
    assert b"PONG\n" == drain(table.mine)
    assert 0 == table.schedule.timeout()
    table.schedule.run_due()
    assert 5.0 == pytest.approx(table.schedule.timeout())


def test_work_is_done_in_turns(table: Table) -> None:
    """A slice in each of them."""
    client = table.seat()
    assert BUSY is table.ask(client, b"BURN 50000\n")
    for _ in range(3):
        assert b"" == drain(table.mine)
        table.schedule.run_due()
    assert b"RESULT 1250025000\n" == drain(table.mine)
    table.take_turns(client)
    assert READING is client.state


def test_a_pipeline_is_answered_in_turns(pair: Pair) -> None:
    """So many requests in each of them."""
    table = Table(pair, limit_pipeline=10)
    client = table.seat()
    assert BUSY is table.ask(client, b"PING\nBURN 1\n" * 50)
    assert table.take_turns(client) >= 4
    assert b"PONG\nRESULT 1\n" * 50 == drain(table.mine)


def test_a_long_reply_waits_for_its_reader(table: Table) -> None:
    """Whenever the socket is full; each large piece has a turn of its own."""
    size = 20_000_000
    client = table.seat()
    assert BUSY is table.ask(client, b"STREAM %d\nPING\n" % size)
    received, stalls = bytearray(), 0
    while client.state is not READING:
        table.take_turns(client)
        if client.state is WRITING:
            stalls += 1
            received += drain(table.mine)
            assert client.ready() in {BUSY, WRITING, READING}
    received += drain(table.mine)
    assert (b"A" * size + b"DONE\nPONG\n" == received) is True
    assert stalls > 1


def test_a_small_rest_is_written_as_soon_as_it_is_taken(narrow: Pair) -> None:
    """It has no turn to wait for."""
    table = Table(narrow)
    client = table.seat()
    filled = fill(table.server)
    assert WRITING is table.ask(client, b"PING\nSTREAM 5\n")
    assert LONGEST_WAIT > table.schedule.timeout() > 0
    assert WRITING is client.ready()  # there is no room yet
    assert filled == len(drain(table.mine))
    client.ready()
    assert drain(table.mine).startswith(b"PONG\n")
    table.take_turns(client)
    assert READING is client.state
    assert not client.session.blocked


def test_a_large_rest_is_written_when_it_is_our_turn(narrow: Pair) -> None:
    """As it is copied for so long that others would notice."""
    table = Table(narrow)
    client = table.seat()
    table.ask(client, b"STREAM 100000\n")
    table.take_turns(client)
    taken = len(drain(table.mine))
    assert 0 < taken < 100_000 - AT_ONCE
    assert BUSY is client.ready()
    assert b"" == drain(table.mine)
    assert 1 == table.take_turns(client)
    assert drain(table.mine)


def test_the_end_of_input_is_the_end(table: Table) -> None:
    """Once everything is answered."""
    client = table.seat()
    table.mine.send(b"PING\nPIN")
    table.mine.shutdown(socket.SHUT_WR)
    assert READING is client.ready()
    assert CLOSED is client.ready()
    assert b"PONG\n" == drain(table.mine)
    assert 0 == table.stats.resets


def test_who_is_told_to_go_is_read_away(table: Table) -> None:
    """Until it has ended its side: a reset might overtake our last word."""
    client = table.seat()
    table.mine.send(b"PING\n")
    table.dismiss(client)
    assert LINGERING is table.ask(client, b"more")
    assert LINGERING is client.ready()
    assert b"PONG\nLINE_TOO_LONG\n" == drain(table.mine)
    table.mine.shutdown(socket.SHUT_WR)
    assert CLOSED is client.ready()


@pytest.mark.parametrize(
    ("requests", "state"),
    [
        (b"PING\n", READING),
        (b"WAIT 5\n", BUSY),
        (b"BURN 100000\n", BUSY),
    ],
    ids=["reading", "waiting", "computing"],
)
def test_a_reset_is_noticed_and_counted(table: Table, requests: bytes, state: State) -> None:
    """Whatever was waited for."""
    client = table.seat()
    assert state is table.ask(client, requests)
    reset(table.mine)
    assert CLOSED is client.ready()
    assert 1 == table.stats.resets


def test_a_reset_of_a_stalled_reader_is_noticed(table: Table) -> None:
    """By the write that fails, when it is our turn."""
    client = table.seat()
    table.ask(client, b"STREAM 100000000\n")
    table.take_turns(client)
    assert WRITING is client.state
    reset(table.mine)
    assert BUSY is client.ready()
    assert CLOSED is client.resume()
    assert 1 == table.stats.resets


def test_a_reset_is_noticed_when_it_is_our_turn(table: Table) -> None:
    """By the write that fails."""
    client = table.seat()
    assert BUSY is table.ask(client, b"STREAM 100000000\n")
    reset(table.mine)
    assert CLOSED is client.resume()
    assert 1 == table.stats.resets


@pytest.mark.parametrize("requests", [b"WAIT 5\n", b"BURN 100000\n", b"x" * 2000])
def test_who_was_given_up_is_closed_and_not_counted_as_lost(table: Table, requests: bytes) -> None:
    """As it was us who ended it."""
    client = table.seat()
    table.ask(client, requests)
    client.session.cancel()
    assert CLOSED is client.ready()
    assert 0 == table.stats.resets


def test_a_bug_ends_its_own_client(
    table: Table, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And is logged as one."""
    client = table.seat()

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(client.session.connection), "receive_data", fail)
    assert CLOSED is table.ask(client, b"PING\n")
    assert "a bug in the server" in caplog.text
    assert 0 == table.stats.resets


def test_running_out_of_memory_is_counted(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its own reason, and said in no log."""
    client = table.seat()

    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(type(client.session.connection), "receive_data", fail)
    assert CLOSED is table.ask(client, b"PING\n")
    assert 1 == table.stats.rejected["memory"]


def test_closing_lets_go_of_everything(pair: Pair, now: list[float]) -> None:
    """Of the descriptor, the command, the time in the schedule; whoever counts is told."""
    service, released = Service(), []

    @service.command("HOLD")
    def hold() -> Iterator[Action]:
        try:
            yield Sleep(5)
        finally:
            released.append(True)

    table = Table(pair, service)
    client = table.seat()
    assert BUSY is table.ask(client, b"HOLD\n")
    client.close()
    assert [True] == released
    assert [client.session] == table.context.gone
    assert (CLOSED, -1) == (client.state, table.server.fileno())
    now[0] = 1010.0
    table.schedule.run_due()  # would fail if it were resumed
    assert CLOSED is client.state


def test_who_is_refused_can_read_why(table: Table) -> None:
    """Its side is not listened to, but read away."""
    client = table.seat()
    table.server.send(b"SERVER_BUSY\n")
    table.mine.send(b"PING\n")
    assert LINGERING is client.linger()
    assert LINGERING is client.ready()
    assert b"SERVER_BUSY\n" == table.mine.recv(100)
    assert b"" == table.mine.recv(100)
    table.mine.close()
    assert CLOSED is client.ready()


def test_who_was_refused_and_left_is_gone(table: Table) -> None:
    """It is an error that whoever refuses it is told of, and no reset of a client."""
    client = table.seat()
    reset(table.mine)
    with pytest.raises(OSError, match="not connected"):
        client.linger()
    assert 0 == table.stats.resets


def test_lingering_has_its_end(table: Table, now: list[float]) -> None:
    """Whoever neither ends nor says anything; what it says makes it no longer."""
    client = table.seat()
    table.dismiss(client)
    now[0] += LINGER / 2
    assert LINGERING is table.ask(client, b"more")
    assert LINGER / 2 == pytest.approx(table.schedule.timeout())
    assert CLOSED is client.resume()
    assert 0 == table.stats.resets


def test_a_reset_of_one_who_was_told_to_go_is_no_loss(table: Table) -> None:
    """It was let go anyway."""
    client = table.seat()
    table.dismiss(client)
    reset(table.mine)
    assert CLOSED is client.ready()
    assert 0 == table.stats.resets


def test_who_reads_has_its_input_ended(table: Table) -> None:
    """The end can be read, which wakes whatever waits for the socket."""
    client = table.seat()
    client.session.end_input()
    assert CLOSED is client.ready()
    assert b"" == drain(table.mine)
    client.close()
    assert b"" == table.mine.recv(10)


def test_what_has_arrived_before_the_end_is_answered(table: Table) -> None:
    """The end is put where it was: what comes later is read away."""
    client = table.seat()
    table.mine.send(b"PING\nBURN 3\n")
    client.session.end_input()
    assert BUSY is client.ready()
    table.take_turns(client)
    assert b"PONG\nRESULT 6\n" == table.mine.recv(100)
    assert LINGERING is client.state
    assert LINGERING is table.ask(client, b"BURN 4\n")
    assert b"" == table.mine.recv(100)
    table.mine.shutdown(socket.SHUT_WR)
    assert CLOSED is client.ready()
    assert 1 == table.stats.requests["burn"]


def test_who_is_busy_ends_when_it_reads_again(table: Table, now: list[float]) -> None:
    """What it has asked for is finished first."""
    client = table.seat()
    assert BUSY is table.ask(client, b"WAIT 5\n")
    client.session.end_input()
    now[0] += 5
    table.schedule.run_due()
    table.take_turns(client)
    assert b"DONE\n" == table.mine.recv(100)
    assert CLOSED is client.ready()
    assert 0 == table.stats.resets


@pytest.mark.parametrize("method", ["feed_eof", "cancel"])
def test_another_thread_wakes_who_waits_for_the_socket(table: Table, method: str) -> None:
    """As they act on the socket, whatever waits for it is told: with poll(2), say, or epoll."""
    client = table.seat()
    client.sock.settimeout(PATIENCE)
    thread = threading.Thread(target=getattr(client, method))
    thread.start()
    assert b"" == client.sock.recv(10)  # would wait for ever
    thread.join()


def test_an_idle_client_expires(pair: Pair, now: list[float]) -> None:
    """Its deadline is one of the schedule's."""
    table = Table(pair, timeout_idle=5.0)
    client = table.seat()
    assert 5.0 <= table.schedule.timeout() < 6.0
    now[0] += 6.0
    table.schedule.run_due()
    assert CLOSED is client.ready()
    assert 1 == table.stats.timeouts["idle"]


def test_who_takes_nothing_expires(narrow: Pair, now: list[float]) -> None:
    """Its time begins with the stall; then it is cut."""
    table = Table(narrow, timeout_write=5.0, timeout_idle=0)
    client = table.seat()
    table.ask(client, b"STREAM 1000000\n")
    table.take_turns(client)
    assert WRITING is client.state
    assert 5.0 <= table.schedule.timeout() < 6.0
    now[0] += 6.0
    table.schedule.run_due()
    assert client.cancelled
    assert BUSY is client.ready()
    table.take_turns(client)
    assert CLOSED is client.state
    assert (1, 0) == (table.stats.timeouts["write"], table.stats.resets)


def test_who_goes_on_has_no_deadline_of_a_write(narrow: Pair, now: list[float]) -> None:
    """It has taken everything."""
    table = Table(narrow, timeout_write=5.0, timeout_idle=0)
    client = table.seat()
    fill(table.server)
    table.ask(client, b"PING\n")
    assert WRITING is client.state
    assert client.session.stalled
    drain(table.mine)
    assert READING is client.ready()
    assert not client.session.stalled
    now[0] += 6.0
    table.schedule.run_due()
    assert READING is client.state
    assert 0 == table.stats.timeouts["write"]


class Town:
    """A core that has something to say though nobody asked: a town crier."""

    def __init__(self, wake: Callable[[], object]) -> None:
        self.wake = wake
        self.actions: list[Action] = []
        self.unfinished = False

    @property
    def settled(self) -> bool:
        """See `Core`."""
        return not self.actions

    def cry(self, *actions: Action) -> None:
        """Have something to say."""
        self.actions += actions
        self.wake()

    def receive_data(self, data: bytes) -> None:
        """See `Core`."""
        self.actions.append(Send(data.upper()))

    def receive_eof(self) -> None:
        """See `Core`."""
        self.actions.append(Close())

    def next_action(self) -> Action | NeedData:
        """See `Core`."""
        return self.actions.pop(0) if self.actions else NEED_DATA

    def compute(self, action: Compute) -> Any:
        """See `Core`."""
        return action.function(*action.arguments)

    def abandon(self) -> None:
        """See `Core`."""


def crier(table: Table) -> tuple[Client, Town]:
    """A client with such a core."""
    towns: list[Town] = []

    def connect(_: object, wake: Callable[[], object]) -> Core:
        towns.append(Town(wake))
        return towns[-1]

    table.context.connect = connect
    return table.seat(), towns[0]


def test_who_has_something_to_say_says_it(table: Table) -> None:
    """Though its client has said nothing, in the next turn and only once."""
    client, town = crier(table)
    town.cry(Send(b"oyez "))
    town.cry(Send(b"oyez"))
    assert b"" == drain(table.mine)
    table.schedule.run_due()
    table.take_turns(client)
    assert b"oyez oyez" == drain(table.mine)
    assert READING is client.state
    table.schedule.run_due()
    assert b"" == drain(table.mine)


def test_who_was_notified_and_is_asked_speaks_once(table: Table, now: list[float]) -> None:
    """What it says is then said in answer; the notice is forgotten if it goes to work."""
    client, town = crier(table)
    town.cry(Sleep(5), Send(b"later"))
    assert BUSY is table.ask(client, b"now")
    table.schedule.run_due()
    assert b"" == drain(table.mine)
    now[0] = 1005.0
    table.schedule.run_due()
    table.take_turns(client)
    assert b"laterNOW" == drain(table.mine)
    assert READING is client.state


def test_who_works_is_not_notified(table: Table, now: list[float]) -> None:
    """It says what it has to say when it is done."""
    client, town = crier(table)
    town.actions.append(Sleep(5))
    assert BUSY is table.ask(client, b"a")
    town.cry(Send(b"b"))
    now[0] = 1004.0
    table.schedule.run_due()
    assert b"" == drain(table.mine)
    now[0] = 1005.0
    table.schedule.run_due()
    table.take_turns(client)
    assert b"Ab" == drain(table.mine)
    assert READING is client.state


def test_a_core_may_close_unasked(table: Table) -> None:
    """Its client is told to go as any other."""
    client, town = crier(table)
    town.cry(Send(b"bye"), Close())
    table.schedule.run_due()
    table.take_turns(client)
    assert LINGERING is client.state
    assert b"bye" == table.mine.recv(10)
    assert b"" == table.mine.recv(10)


@pytest.mark.parametrize(("log", "expected"), [(False, Session), (True, LoggedSession)])
def test_the_access_log_has_sessions_of_its_own(
    pair: Pair, log: bool, expected: type[Session[Any]]
) -> None:
    """As all others cost nothing for it."""
    client = Table(pair, access_log=log).seat()
    assert expected is type(client.session)
    assert client is client.session.stream
