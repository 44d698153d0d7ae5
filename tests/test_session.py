"""One client: what is answered at once, what has to wait, and how it ends."""

import select
import socket
from collections.abc import Callable, Iterator, MutableMapping

import pytest

from dumb_async import Service
from dumb_async.hosting import received_bytes, unsent_bytes
from dumb_async.hosting.session import AT_ONCE, READ_SIZE, Session, is_over
from dumb_async.hosting.shared import Phase
from dumb_async.protocol import NEED_DATA, Action, Close, Compute, Core, Send, Sleep

from .conftest import Make
from .support import deadlines_of, drain, fill, is_cut, reset, stats_of, surroundings


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


def test_received_is_what_has_arrived_read_or_not(
    client: socket.socket, pair: tuple[socket.socket, socket.socket]
) -> None:
    """As tcp(7) counts it, to the byte."""
    server = pair[1]
    assert 0 == received_bytes(server)
    for expected in (70, 140):
        client.send(b"x" * 70)
        select.select([server], [], [])
        assert expected == received_bytes(server)
        server.recv(30)
        assert expected == received_bytes(server)


def test_unsent_is_what_the_client_has_not_taken(
    client: socket.socket, pair: tuple[socket.socket, socket.socket]
) -> None:
    """So that a slow reader's progress shows."""
    server = pair[1]
    assert 0 == unsent_bytes(server)
    filled = fill(server)
    assert 0 < unsent_bytes(server) <= filled
    while filled:
        filled -= len(drain(client))
    assert 0 == unsent_bytes(server)


def test_a_closed_session_is_let_go_of(make: Make) -> None:
    """Nothing that looks at it later holds it, or what its client had asked."""
    session = make()
    buckets = deadlines_of(session._shared)._buckets
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

    session = Session(pair[1], surroundings(service))
    client.send(b"HOLD\n")
    assert Sleep(3600) == session.receive(1000.0)
    assert [] == released
    session.close()
    assert [True] == released


def test_phases_say_what_is_waited_for(make: Make) -> None:
    """Whoever is not listened to is busy."""
    session = make()
    phases = [session.phase]
    for change in (session.work, session.stall, session.work, session.listen, session.linger):
        change()
        phases.append(session.phase)
    session.close()
    assert [
        Phase.LISTENING, Phase.WORKING, Phase.STALLED, Phase.WORKING, Phase.LISTENING,
        Phase.LINGERING, Phase.CLOSED,
    ] == [*phases, session.phase]  # fmt: skip
    assert -1 == session.fd


@pytest.mark.parametrize("phase", Phase)
def test_only_who_is_listened_to_is_not_busy(make: Make, phase: Phase) -> None:
    """Whatever else it may be waiting for."""
    session = make()
    session.phase = phase
    assert (phase is not Phase.LISTENING) is session.busy


def test_who_is_listened_to_has_nothing_left_to_do(make: Make) -> None:
    """And nothing that could be broken off."""

    def leave_off(session: Session) -> None:
        session.work()
        session.action, session.cancel = Close(), list

    session = make()
    leave_off(session)
    session.listen()
    assert NEED_DATA is session.action
    assert session.cancel is None


def test_who_is_cut_is_given_up(
    client: socket.socket, pair: tuple[socket.socket, socket.socket], make: Make
) -> None:
    """Both sides see an end, whatever was still to be read or written."""
    session = make()
    client.send(b"PING\n")
    session.cut()
    assert session.given_up
    assert b"" == client.recv(1)
    with pytest.raises(BrokenPipeError):
        pair[1].send(b"x")
    assert is_cut(client)


def test_who_was_faster_can_be_cut(client: socket.socket, make: Make) -> None:
    """A reset connection cannot be shut down any more."""
    session = make()
    reset(client)
    session.cut()
    assert session.given_up


def test_a_core_is_told_whom_to_prod(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Its own session, through the driver; and where its requests are counted."""
    prodded: list[Session] = []
    shared = surroundings(Service(), prodded.append)
    make_core, seen = shared.connect, []

    def connect(counts: MutableMapping[str, int], prod: Callable[[], object]) -> Core:
        seen.append((counts, prod))
        return make_core(counts, prod)

    shared.connect = connect
    session = Session(pair[1], shared)
    ((counts, prod),) = seen
    assert counts is shared.stats.requests
    assert [] == prodded
    prod()
    assert [session] == prodded
