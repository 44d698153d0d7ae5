"""One client: what is answered at once, what has to wait, and when it has been silent too long."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dumb_async import Service, Settings, dumb_service
from dumb_async import session as module
from dumb_async.deadlines import Deadlines
from dumb_async.protocol import NEED_DATA, Action, Close, Compute, Config, Send, Sleep
from dumb_async.session import AT_ONCE, READ_SIZE, Session, Shared, is_over
from dumb_async.stats import Stats

from .support import drain, fill, reset, tcp_pair

Make = Callable[..., Session]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the monotonic clock shows: its only element."""
    now = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's socket and the server's end of it."""
    with tcp_pair() as sockets:
        yield sockets


@pytest.fixture
def client(pair: tuple[socket.socket, socket.socket]) -> socket.socket:
    """The client's side."""
    return pair[0]


@pytest.fixture
def make(pair: tuple[socket.socket, socket.socket], clock: list[float]) -> Make:
    """Make a session at the server's side, at 1000 on the clock, with settings of one's own."""
    assert clock

    def make_one(sock: socket.socket | None = None, **options: Any) -> Session:
        service = dumb_service()
        stats, settings = Stats(service.labels), Settings(**options)
        return Session(sock or pair[1], Shared(Config(service), settings, stats, Deadlines()))

    return make_one


def stats_of(session: Session) -> Stats:
    """What was counted for it."""
    return session._shared.stats


@pytest.fixture
def narrow() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's socket and the server's end of it, which takes little at a time."""
    one, two = socket.socketpair()
    with one, two:
        one.setblocking(False)
        two.setblocking(False)
        two.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least there is
        yield one, two


def test_a_request_is_answered_in_the_reading(client: socket.socket, make: Make) -> None:
    """And counted; nothing has to wait."""
    session = make()
    client.send(b"PING\nBURN 3\n")
    assert NEED_DATA is session.receive(1001.0)
    assert b"PONG\nRESULT 6\n" == drain(client)
    stats = stats_of(session)
    assert (12, 14) == (stats.bytes_received, stats.bytes_sent)
    assert (1, 1) == (stats.requests["ping"], stats.requests["burn"])


def test_nothing_to_read_is_nothing_to_do(make: Make) -> None:
    """Wake-ups can be spurious."""
    assert NEED_DATA is make().receive(1001.0)


@pytest.mark.parametrize(
    ("request_", "action"),
    [
        (b"WAIT 5\n", Sleep),
        (b"BURN 100000\n", Compute),
        (b"STREAM 100000\n", Send),
        (b"x" * 2000, Close),
    ],
)
def test_what_takes_time_is_left_to_others(
    client: socket.socket, make: Make, request_: bytes, action: type
) -> None:
    """After the replies to what was asked before it."""
    session = make()
    client.send(b"PING\n" + request_)
    assert isinstance(session.receive(1001.0), action)
    assert drain(client).startswith(b"PONG\n")


def test_a_long_reply_is_left_to_others_whole(client: socket.socket, make: Make) -> None:
    """It takes its turn with those of other clients."""
    session = make()
    client.send(b"STREAM %d\n" % AT_ONCE * 2)
    action = session.receive(1001.0)
    assert isinstance(action, Send)
    assert AT_ONCE < len(action.data)
    assert b"" == drain(client)


def test_what_a_socket_does_not_take_is_left_to_others(
    narrow: tuple[socket.socket, socket.socket], make: Make
) -> None:
    """The rest of it; only what it took is counted."""
    client, server = narrow
    session = make(server)
    client.send(b"STREAM 16000\n")
    action = session.receive(1001.0)
    assert isinstance(action, Send)
    taken = drain(client)
    assert 0 < len(taken) < 16_005
    assert b"A" * 16_000 + b"DONE\n" == taken + action.data
    assert len(taken) == stats_of(session).bytes_sent


def test_what_a_full_socket_does_not_take_is_left_to_others(
    narrow: tuple[socket.socket, socket.socket], make: Make
) -> None:
    """All of it."""
    client, server = narrow
    session = make(server)
    fill(server)
    client.send(b"PING\n")
    assert Send(b"PONG\n") == session.receive(1001.0)
    assert 0 == stats_of(session).bytes_sent


def test_one_read_is_bounded(client: socket.socket, make: Make) -> None:
    """Whoever sends without pause is read a part at a time."""
    session = make()
    fill(client)
    session.receive(1001.0)
    assert 0 < stats_of(session).bytes_received <= READ_SIZE


def test_the_end_of_input_is_the_end(client: socket.socket, make: Make) -> None:
    """Once everything is answered."""
    session = make()
    client.send(b"PING\nPIN")
    client.shutdown(socket.SHUT_WR)
    assert NEED_DATA is session.receive(1001.0)
    assert not session.ended
    action = session.receive(1001.0)
    assert is_over(session, action)
    assert session.ended
    assert b"PONG\n" == drain(client)


def test_a_close_is_not_over_while_the_client_may_still_send(
    client: socket.socket, make: Make
) -> None:
    """What it sends must be read away, or its last reply might be lost."""
    session = make()
    client.send(b"x" * 2000)
    action = session.receive(1001.0)
    assert Close() == action
    assert not is_over(session, action)


def test_a_reset_is_an_error(client: socket.socket, make: Make) -> None:
    """Whoever reads for the session must forget it."""
    session = make()
    reset(client)
    with pytest.raises(ConnectionResetError):
        session.receive(1001.0)


IDLE, LINE = 300.0, 30.0

Steps = list[tuple[float, bytes]]


@pytest.mark.parametrize(
    ("steps", "due"),
    [
        ([], 1000 + IDLE),
        ([(1100, b"PING\n")], 1100 + IDLE),
        ([(1100, b"PING\n"), (1200, b"?\n")], 1200 + IDLE),
        ([(1100, b"P")], 1100 + LINE),
        ([(1100, b"P"), (1110, b"I"), (1120, b"N")], 1100 + LINE),
        ([(1100, b"P"), (1110, b"ING\n")], 1110 + IDLE),
        ([(1100, b"P"), (1110, b"ING\nP"), (1120, b"I")], 1110 + LINE),
        ([(1100, b"P"), (1110, b"ING\n"), (1120, b"P")], 1120 + LINE),
        ([(1100, b"\r")], 1100 + LINE),
    ],
)
def test_silence_has_its_deadline(
    client: socket.socket, make: Make, steps: Steps, due: float
) -> None:
    """300 s from the last thing heard; 30 s from the first byte of a line."""
    session = make(timeout_idle=IDLE, timeout_line=LINE)
    for now, data in steps:
        client.send(data)
        session.receive(now)
    assert due == session.due(1150.0)


@pytest.mark.parametrize("steps", [[], [(1100, b"P")], [(1100, b"PING\n")]])
def test_a_deadline_is_watched_no_later_than_it_is_due(
    client: socket.socket, make: Make, steps: Steps
) -> None:
    """Or nobody would look in time."""
    session = make(timeout_idle=IDLE, timeout_line=LINE)
    for now, data in steps:
        client.send(data)
        session.receive(now)
    next_look, due = session._shared.deadlines.next, session.due(1150.0)
    assert next_look is not None
    assert due is not None
    assert next_look < due + 0.06


def test_deadlines_can_be_switched_off(client: socket.socket, make: Make) -> None:
    """Each without the other; zero is never, not at once."""
    client.send(b"P")
    session = make(timeout_idle=0, timeout_line=0)
    session.receive(1100.0)
    assert session.due(9999.0) is None
    assert session._shared.deadlines.next is None
    client.send(b"I")
    session = make(timeout_idle=IDLE, timeout_line=0)
    session.receive(1100.0)
    assert 1100 + IDLE == session.due(9999.0)
    client.send(b"N")
    session = make(timeout_idle=0, timeout_line=LINE)
    assert session.due(9999.0) is None
    session.receive(1100.0)
    assert 1100 + LINE == session.due(9999.0)


def test_a_client_that_is_served_is_not_silent(
    client: socket.socket, make: Make, clock: list[float]
) -> None:
    """It is looked at again later; its time starts when it is listened to again."""
    session = make(timeout_idle=IDLE, timeout_line=LINE)
    client.send(b"WAIT 1000\nPIN")
    session.receive(1100.0)
    session.busy = True
    assert 5000.0 < (session.due(5000.0) or 0)
    clock[0] = 6000.0
    session.resume()
    assert not session.busy
    session.connection.next_action()
    assert 6000 + LINE == session.due(6001.0)


def test_a_client_that_has_ended_is_not_waited_for(client: socket.socket, make: Make) -> None:
    """Nor one that is closed."""
    session = make()
    client.shutdown(socket.SHUT_WR)
    session.receive(1001.0)
    assert session.due(9999.0) is None
    session.close()
    assert make(session.sock).due(9999.0) is None


@pytest.mark.parametrize(("data", "kind"), [(b"", "idle"), (b"PIN", "line"), (b"PING\n", "idle")])
def test_an_expired_client_is_ended_like_by_itself(
    client: socket.socket, make: Make, data: bytes, kind: str
) -> None:
    """What it has sent meanwhile is answered first; counted by its kind."""
    session = make()
    client.send(data)
    session.receive(1001.0)
    client.send(b"G\nPING\n")
    session.expire()
    assert {"idle": 0, "line": 0, "write": 0} | {kind: 1} == stats_of(session).timeouts
    assert NEED_DATA is session.receive(1001.0)
    assert is_over(session, session.receive(1001.0))
    assert drain(client).endswith(b"PONG\n")


def test_a_client_that_was_faster_can_expire(client: socket.socket, make: Make) -> None:
    """A reset connection cannot be shut down any more."""
    session = make()
    reset(client)
    session.half_close()
    session.expire()


def test_unsent_is_what_the_client_has_not_taken(
    client: socket.socket, pair: tuple[socket.socket, socket.socket], make: Make
) -> None:
    """So that a slow reader's progress shows."""
    session = make()
    assert 0 == session.unsent()
    filled = fill(pair[1])
    assert 0 < session.unsent() <= filled
    while filled:
        filled -= len(drain(client))
    assert 0 == session.unsent()


def test_a_closed_session_is_let_go_of(make: Make) -> None:
    """Nothing that looks at it later holds it, or what its client had asked."""
    session = make()
    buckets = session._shared.deadlines._buckets
    assert [{session}] == list(buckets.values())
    session.close()
    assert [set()] == list(buckets.values())


def test_a_running_command_ends_with_its_client(
    client: socket.socket, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Its ``finally`` is run when the connection is closed, not when it is forgotten."""
    service, released = Service(), []

    @service.command("HOLD")
    def hold() -> Iterator[Action]:
        try:
            yield Sleep(3600)
        finally:
            released.append(True)

    shared = Shared(Config(service), Settings(), Stats(service.labels), Deadlines())
    session = Session(pair[1], shared)
    client.send(b"HOLD\n")
    assert Sleep(3600) == session.receive(1000.0)
    assert [] == released
    session.close()
    assert [True] == released
