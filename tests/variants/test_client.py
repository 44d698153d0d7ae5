"""One client in steps: what each leaves it waiting for, and how it ends."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dumb_async import Compute, Service, Sleep, dumb_service
from dumb_async.hosting import AT_ONCE, Deadlines, Phase, Settings, Stats, connect_to
from dumb_async.protocol import NEED_DATA, Action, Close, Core, NeedData, Send
from variants.common.agenda import Agenda
from variants.common.client import Client, LoggedClient, Surroundings, client_type

from ..support import drain, fill, reset

LISTENING, WORKING, STALLED = Phase.LISTENING, Phase.WORKING, Phase.STALLED
LINGERING, CLOSED = Phase.LINGERING, Phase.CLOSED

Pair = tuple[socket.socket, socket.socket]


class Table:
    """A client at one end of a connection, its own side at the other, and all around it."""

    def __init__(self, pair: Pair, service: Service | None = None, **options: Any) -> None:
        self.mine, self.server = pair
        service = service or dumb_service()
        self.stats = Stats(service.labels)
        self.left: list[Client] = []
        self.agenda = Agenda[Client](lambda client: client.resume())
        self.surroundings = Surroundings(
            connect_to(service, Settings(**options)),
            Settings(**options),
            self.stats,
            Deadlines(),
            self.agenda.prod,
            schedule=self.agenda,
            left=self.left.append,
        )

    def seat(self) -> Client:
        """The client."""
        return Client(self.server, self.surroundings)

    def ask(self, client: Client, requests: bytes) -> Phase:
        """Send, and let it be read."""
        self.mine.send(requests)
        return client.ready()

    def take_turns(self, client: Client) -> int:
        """Give turns to whoever wants one, until nobody does: how many there were."""
        turns = 0
        while client.phase is WORKING:
            assert 0 == self.agenda.timeout(), "it works, and wants neither time nor turn"
            self.agenda.run_due()
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
    assert LISTENING is client.phase
    assert LISTENING is table.ask(client, b"PING\nBURN 3\nPIN")
    assert b"PONG\nRESULT 6\n" == drain(table.mine)
    assert LISTENING is client.ready()  # wake-ups can be spurious


def test_a_wait_is_a_time_on_the_agenda(table: Table, now: list[float]) -> None:
    """And what was asked behind it comes after it."""
    client = table.seat()
    assert WORKING is table.ask(client, b"PING\nWAIT 5\nPING\n")
    assert b"PONG\n" == drain(table.mine)
    assert 5.0 == table.agenda.timeout()
    now[0] = 1005.0
    client.resume()
    assert drain(table.mine).startswith(b"DONE\n")
    table.take_turns(client)
    assert LISTENING is client.phase


def test_work_is_done_in_turns(table: Table) -> None:
    """A slice in each of them."""
    client = table.seat()
    assert WORKING is table.ask(client, b"BURN 50000\n")
    assert 3 == table.take_turns(client)
    assert b"RESULT 1250025000\n" == drain(table.mine)
    assert LISTENING is client.phase


def test_a_pipeline_is_answered_in_turns(pair: Pair) -> None:
    """So many requests in each of them."""
    table = Table(pair, limit_pipeline=10)
    client = table.seat()
    assert WORKING is table.ask(client, b"PING\nBURN 1\n" * 50)
    assert table.take_turns(client) >= 4
    assert b"PONG\nRESULT 1\n" * 50 == drain(table.mine)


def test_a_long_reply_waits_for_its_reader(table: Table) -> None:
    """Whenever the socket is full; each large piece has a turn of its own."""
    size = 20_000_000
    client = table.seat()
    assert WORKING is table.ask(client, b"STREAM %d\nPING\n" % size)
    received, stalls = bytearray(), 0
    while client.phase is not LISTENING:
        table.take_turns(client)
        if client.phase is STALLED:
            stalls += 1
            received += drain(table.mine)
            assert client.ready() in {WORKING, STALLED, LISTENING}
    received += drain(table.mine)
    assert (b"A" * size + b"DONE\nPONG\n" == received) is True
    assert stalls > 1


def test_a_small_rest_is_written_as_soon_as_it_is_taken(narrow: Pair) -> None:
    """It has no turn to wait for."""
    table = Table(narrow)
    client = table.seat()
    filled = fill(table.server)
    assert WORKING is table.ask(client, b"PING\nSTREAM 5\n")
    assert 1 == table.take_turns(client)
    assert STALLED is client.phase
    assert STALLED is client.ready()  # there is no room yet
    assert filled == len(drain(table.mine))
    assert LISTENING is client.ready()
    assert b"PONG\nAAAAADONE\n" == drain(table.mine)


def test_a_large_rest_is_written_when_it_is_our_turn(narrow: Pair) -> None:
    """As it is copied for so long that others would notice."""
    table = Table(narrow)
    client = table.seat()
    table.ask(client, b"STREAM 100000\n")
    table.take_turns(client)
    taken = len(drain(table.mine))
    assert 0 < taken < 100_000 - AT_ONCE
    assert WORKING is client.ready()
    assert b"" == drain(table.mine)
    assert 1 == table.take_turns(client)
    assert drain(table.mine)


def test_the_end_of_input_is_the_end(table: Table) -> None:
    """Once everything is answered."""
    client = table.seat()
    table.mine.send(b"PING\nPIN")
    table.mine.shutdown(socket.SHUT_WR)
    assert LISTENING is client.ready()
    assert CLOSED is client.ready()
    assert b"PONG\n" == drain(table.mine)
    assert 0 == table.stats.resets


def test_who_is_told_to_go_is_read_away(table: Table) -> None:
    """Until it has ended its side: a reset might overtake our last word."""
    client = table.seat()
    assert LINGERING is table.ask(client, b"PING\n" + b"x" * 2000)
    assert LINGERING is table.ask(client, b"more")
    assert LINGERING is client.ready()
    assert b"PONG\nLINE_TOO_LONG\n" == drain(table.mine)
    table.mine.shutdown(socket.SHUT_WR)
    assert CLOSED is client.ready()


@pytest.mark.parametrize(
    ("requests", "phase"),
    [
        (b"PING\n", LISTENING),
        (b"WAIT 5\n", WORKING),
        (b"BURN 100000\n", WORKING),
    ],
    ids=["listening", "waiting", "computing"],
)
def test_a_reset_is_noticed_and_counted(table: Table, requests: bytes, phase: Phase) -> None:
    """Whatever was waited for."""
    client = table.seat()
    assert phase is table.ask(client, requests)
    reset(table.mine)
    assert CLOSED is client.ready()
    assert 1 == table.stats.resets


def test_a_reset_of_a_stalled_reader_is_noticed(table: Table) -> None:
    """By the write that fails, when it is our turn."""
    client = table.seat()
    table.ask(client, b"STREAM 100000000\n")
    table.take_turns(client)
    assert STALLED is client.phase
    reset(table.mine)
    assert WORKING is client.ready()
    assert CLOSED is client.resume()
    assert 1 == table.stats.resets


def test_a_reset_is_noticed_when_it_is_our_turn(table: Table) -> None:
    """By the write that fails."""
    client = table.seat()
    assert WORKING is table.ask(client, b"STREAM 100000000\n")
    reset(table.mine)
    assert CLOSED is client.resume()
    assert 1 == table.stats.resets


@pytest.mark.parametrize("requests", [b"WAIT 5\n", b"BURN 100000\n", b"x" * 2000])
def test_who_was_given_up_is_closed_and_not_counted_as_lost(table: Table, requests: bytes) -> None:
    """As it was us who ended it."""
    client = table.seat()
    table.ask(client, requests)
    client.cut()
    assert CLOSED is client.ready()
    assert 0 == table.stats.resets


def test_a_bug_ends_its_own_client(
    table: Table, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And is logged as one."""
    client = table.seat()

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(client.connection), "receive_data", fail)
    assert CLOSED is table.ask(client, b"PING\n")
    assert "a bug in the server" in caplog.text
    assert 0 == table.stats.resets


def test_running_out_of_memory_is_counted(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its own reason, and said in no log."""
    client = table.seat()

    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(type(client.connection), "receive_data", fail)
    assert CLOSED is table.ask(client, b"PING\n")
    assert 1 == table.stats.rejected["memory"]


def test_closing_lets_go_of_everything(pair: Pair, now: list[float]) -> None:
    """Of the descriptor, the command, the time on the agenda; whoever counts is told."""
    service, released = Service(), []

    @service.command("HOLD")
    def hold() -> Iterator[Action]:
        try:
            yield Sleep(5)
        finally:
            released.append(True)

    table = Table(pair, service)
    client = table.seat()
    assert WORKING is table.ask(client, b"HOLD\n")
    client.close()
    assert [True] == released
    assert [client] == table.left
    assert (CLOSED, -1) == (client.phase, table.server.fileno())
    now[0] = 1010.0
    table.agenda.run_due()  # would fail if it were resumed
    assert CLOSED is client.phase


def test_who_is_refused_can_read_why(table: Table) -> None:
    """Its side is not listened to, but read away."""
    client = table.seat()
    table.server.send(b"SERVER_BUSY\n")
    table.mine.send(b"PING\n")
    assert LINGERING is client.refuse()
    assert LINGERING is client.ready()
    assert b"SERVER_BUSY\n" == table.mine.recv(100)
    assert b"" == table.mine.recv(100)
    table.mine.close()
    assert CLOSED is client.ready()


def test_who_was_refused_and_left_is_gone(table: Table) -> None:
    """That is no error."""
    client = table.seat()
    reset(table.mine)
    assert CLOSED is client.refuse()
    assert 0 == table.stats.resets


class Town:
    """A core that has something to say though nobody asked: a town crier."""

    def __init__(self, prod: Callable[[], object]) -> None:
        self.prod = prod
        self.actions: list[Action] = []
        self.settled = self.unfinished = False

    def cry(self, *actions: Action) -> None:
        """Have something to say."""
        self.actions += actions
        self.prod()

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

    def connect(_: object, prod: Callable[[], object]) -> Core:
        towns.append(Town(prod))
        return towns[-1]

    table.surroundings.connect = connect
    return table.seat(), towns[0]


def test_who_has_something_to_say_says_it(table: Table) -> None:
    """Though its client has said nothing, in the next turn and only once."""
    client, town = crier(table)
    town.cry(Send(b"oyez "))
    town.cry(Send(b"oyez"))
    assert b"" == drain(table.mine)
    table.agenda.run_due()
    assert b"oyez oyez" == drain(table.mine)
    assert LISTENING is client.phase
    table.agenda.run_due()
    assert b"" == drain(table.mine)


def test_who_was_prodded_and_is_asked_speaks_once(table: Table, now: list[float]) -> None:
    """What it says is then said in answer; the prod is forgotten if it goes to work."""
    client, town = crier(table)
    town.cry(Sleep(5), Send(b"later"))
    assert WORKING is table.ask(client, b"now")
    table.agenda.run_due()
    assert b"" == drain(table.mine)
    now[0] = 1005.0
    table.agenda.run_due()
    assert b"laterNOW" == drain(table.mine)
    assert LISTENING is client.phase


def test_who_works_is_not_prodded(table: Table, now: list[float]) -> None:
    """It says what it has to say when it is done."""
    client, town = crier(table)
    town.actions.append(Sleep(5))
    assert WORKING is table.ask(client, b"a")
    town.cry(Send(b"b"))
    now[0] = 1004.0
    table.agenda.run_due()
    assert b"" == drain(table.mine)
    now[0] = 1005.0
    table.agenda.run_due()
    assert b"Ab" == drain(table.mine)
    assert LISTENING is client.phase


def test_a_core_may_close_unasked(table: Table) -> None:
    """Its client is told to go as any other."""
    client, town = crier(table)
    town.cry(Send(b"bye"), Close())
    table.agenda.run_due()
    assert LINGERING is client.phase
    assert b"bye" == table.mine.recv(10)
    assert b"" == table.mine.recv(10)


@pytest.mark.parametrize(("log", "expected"), [(False, Client), (True, LoggedClient)])
def test_the_access_log_has_clients_of_its_own(log: bool, expected: type[Client]) -> None:
    """As all others cost nothing for it."""
    assert expected is client_type(Settings(access_log=log))
