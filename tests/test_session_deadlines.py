"""How long a client may be silent, take nothing, or linger; and zero, which is for ever."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dumb_async import dumb_service
from dumb_async.hosting import session as module
from dumb_async.hosting.deadlines import TICK
from dumb_async.hosting.session import (
    LINGER,
    LINGER_BRIEFLY,
    READ_SIZE,
    Session,
    is_over,
)
from dumb_async.hosting.shared import Phase
from dumb_async.protocol import NEED_DATA, Action, Close, NeedData, Send

from .conftest import Make
from .support import deadlines_of, drain, fill, is_cut, reset, stats_of, surroundings

Clock = list[float]
Pair = tuple[socket.socket, socket.socket]


def let_pass(session: Session, clock: Clock, seconds: float) -> None:
    """Let whoever is due expire in time, as a driver does."""
    deadlines, end = deadlines_of(session._shared), clock[0] + seconds
    while deadlines.next is not None and deadlines.next <= end:
        clock[0] = max(clock[0], deadlines.next)
        deadlines.run_due(clock[0])
    clock[0] = end


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
    next_look, due = deadlines_of(session._shared).next, session.due(1150.0)
    assert next_look is not None
    assert due is not None
    assert next_look < due + 0.06


def test_deadlines_can_be_switched_off(client: socket.socket, make: Make) -> None:
    """Each without the other; zero is never, not at once."""
    client.send(b"P")
    session = make(timeout_idle=0, timeout_line=0)
    session.receive(1100.0)
    assert session.due(9999.0) is None
    assert deadlines_of(session._shared).next is None
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
    session.work()
    assert 5000.0 < (session.due(5000.0) or 0)
    clock[0] = 6000.0
    session.listen()
    session.connection.next_action()
    assert 6000 + LINE == session.due(6001.0)


def test_a_client_that_has_ended_is_not_waited_for(client: socket.socket, make: Make) -> None:
    """Nor one that is closed."""
    session = make()
    client.shutdown(socket.SHUT_WR)
    session.receive(1001.0)
    assert session.due(9999.0) is None
    other = make()
    other.close()
    assert other.due(9999.0) is None


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
    assert Close() == session.receive(1001.0)
    assert drain(client).endswith(b"PONG\n")
    session.linger()
    client.close()
    assert session.read_away()


def test_a_client_that_was_faster_can_expire(client: socket.socket, make: Make) -> None:
    """A reset connection cannot be shut down any more."""
    session = make()
    reset(client)
    session.half_close()
    session.expire()


WRITE = 30.0
NEVER = {"timeout_idle": 0, "timeout_line": 0, "timeout_write": 0}
AN_AGE = 1e6


@pytest.fixture
def still() -> Iterator[Pair]:
    """A client's socket and the server's end of it: what was not read shows at once."""
    one, two = socket.socketpair()
    with one, two:
        one.setblocking(False)
        two.setblocking(False)
        yield one, two


@pytest.fixture
def stalled(make: Make, still: Pair) -> Session:
    """A session whose client takes nothing."""
    session = make(still[1], timeout_write=WRITE)
    session.work()
    fill(still[1])
    session.stall()
    return session


def test_who_takes_nothing_is_cut(stalled: Session, clock: Clock, still: Pair) -> None:
    """Once its time is up, not before; counted, and whoever waits for its socket is woken."""
    let_pass(stalled, clock, WRITE - 0.1)
    assert not stalled.given_up
    let_pass(stalled, clock, 0.1 + TICK)
    assert stalled.given_up
    assert {"idle": 0, "line": 0, "write": 1} == stats_of(stalled).timeouts
    with pytest.raises(BrokenPipeError):
        still[1].send(b"x")
    drain(still[0])
    let_pass(stalled, clock, AN_AGE)
    assert {"idle": 0, "line": 0, "write": 1} == stats_of(stalled).timeouts


def test_who_takes_some_has_its_time_again(stalled: Session, clock: Clock, still: Pair) -> None:
    """Every time; and not for what it took before."""
    for size in range(1, 5):
        let_pass(stalled, clock, WRITE - 0.1)
        drain(still[0])
        for _ in range(size):
            still[1].send(b"x")
        let_pass(stalled, clock, 0.1 + TICK)
        assert not stalled.given_up
    let_pass(stalled, clock, WRITE + TICK)
    assert stalled.given_up


def test_who_goes_on_is_stalled_no_more(stalled: Session, clock: Clock) -> None:
    """Its next stall has a time of its own."""
    let_pass(stalled, clock, WRITE - 1)
    stalled.work()
    let_pass(stalled, clock, 1000)
    stalled.stall()
    let_pass(stalled, clock, WRITE - 1)
    assert not stalled.given_up
    let_pass(stalled, clock, 1 + TICK)
    assert stalled.given_up


def test_a_stall_that_goes_on_is_one(stalled: Session, clock: Clock) -> None:
    """Drivers that try again now and then say so; what is new after some work is new."""
    for _ in range(3):
        let_pass(stalled, clock, WRITE / 4)
        stalled.stall(anew=False)
    assert Phase.STALLED is stalled.phase
    let_pass(stalled, clock, WRITE / 4 + TICK)
    assert stalled.given_up


@pytest.mark.parametrize("anew", [True, False])
def test_a_first_stall_is_new(make: Make, clock: Clock, anew: bool) -> None:
    """Whatever it is called."""
    session = make(timeout_write=WRITE)
    session.work()
    clock[0] += 500
    session.stall(anew=anew)
    assert clock[0] + WRITE == session.due(clock[0])


def test_who_was_stalled_and_listens_has_its_time_as_before(stalled: Session, clock: Clock) -> None:
    """The time to be idle begins then."""
    let_pass(stalled, clock, WRITE / 2)
    stalled.work()
    stalled.listen()
    assert clock[0] + IDLE == stalled.due(clock[0])
    let_pass(stalled, clock, IDLE - 0.1)
    assert {"idle": 0, "line": 0, "write": 0} == stats_of(stalled).timeouts
    let_pass(stalled, clock, 0.1 + TICK)
    assert {"idle": 1, "line": 0, "write": 0} == stats_of(stalled).timeouts
    assert not stalled.given_up


@pytest.mark.parametrize("data", [b"", b"PIN", b"PING\n"])
def test_nobody_expires_without_deadlines(
    make: Make, clock: Clock, pair: Pair, client: socket.socket, data: bytes
) -> None:
    """In whatever phase; nor is anybody looked at for nothing."""
    session = make(**NEVER)
    client.send(data)
    for change in (lambda: session.receive(clock[0]), session.work, session.stall, session.work):
        change()
        let_pass(session, clock, AN_AGE)
        assert session.due(clock[0]) is None
    session.listen()
    let_pass(session, clock, AN_AGE)
    assert deadlines_of(session._shared).next is None
    assert {"idle": 0, "line": 0, "write": 0} == stats_of(session).timeouts
    assert not session.given_up
    pair[1].send(b"still there")


@pytest.mark.parametrize("unfinished", [b"", b"PIN"])
def test_a_stall_without_a_deadline_does_not_lose_the_others(
    make: Make, clock: Clock, client: socket.socket, unfinished: bytes
) -> None:
    """Who is listened to again after an age has its 300 s, or 30 s for its line."""
    session = make(timeout_idle=IDLE, timeout_line=LINE, timeout_write=0)
    client.send(b"WAIT 1\n" + unfinished)
    session.receive(clock[0])
    session.work()
    session.stall()
    let_pass(session, clock, AN_AGE)
    assert not session.given_up
    session.work()
    session.connection.next_action()
    session.listen()
    patience, kind = (LINE, "line") if unfinished else (IDLE, "idle")
    let_pass(session, clock, patience - 0.1)
    assert {"idle": 0, "line": 0, "write": 0} == stats_of(session).timeouts
    let_pass(session, clock, 0.1 + TICK)
    assert {"idle": 0, "line": 0, "write": 0} | {kind: 1} == stats_of(session).timeouts


@pytest.mark.parametrize("options", [{}, NEVER])
def test_lingering_has_its_end(
    make: Make, clock: Clock, client: socket.socket, options: dict[str, Any]
) -> None:
    """Whatever the settings are: our side ends at once, the client's after a while."""
    session = make(**options)
    session.work()
    session.linger()
    assert b"" == client.recv(1)
    client.send(b"PING\n" * 100)
    assert not session.read_away()
    let_pass(session, clock, LINGER - 0.1)
    assert not session.read_away()
    let_pass(session, clock, 0.1 + TICK)
    assert session.given_up
    assert session.read_away()
    assert is_cut(client)
    assert {"idle": 0, "line": 0, "write": 0} == stats_of(session).timeouts


def test_lingering_ends_with_the_client(make: Make, client: socket.socket) -> None:
    """Nobody waits for more; what it still sent is dropped."""
    session = make()
    session.linger()
    client.send(b"PING\n")
    client.shutdown(socket.SHUT_WR)
    assert [False, True] == [session.read_away(), session.read_away()]
    assert 0 == stats_of(session).requests["ping"]


def test_lingering_with_somebody_who_is_gone_is_an_error(make: Make, client: socket.socket) -> None:
    """Whoever drives the session must forget it."""
    session = make()
    reset(client)
    with pytest.raises(OSError, match="not connected"):
        session.linger()


def test_who_was_told_to_go_is_not_waited_for_as_long(make: Make, clock: Clock) -> None:
    """It goes on asking although its side was ended for it."""
    session = make()
    session.half_close()
    session.linger()
    let_pass(session, clock, LINGER_BRIEFLY - 0.1)
    assert not session.given_up
    let_pass(session, clock, 0.1 + TICK)
    assert session.given_up


def serve(session: Session, now: float) -> Action | NeedData:
    """Read once, write what there is to write, return what comes then."""
    action = session.receive(now)
    while isinstance(action, Send):
        session.send(action.data)
        action = session.connection.next_action()
    return action


@pytest.mark.parametrize("count", [0, 1, 10_000])
def test_the_end_is_put_where_it_was(
    make: Make, clock: Clock, client: socket.socket, count: int
) -> None:
    """What had come before is answered; who goes on asking is soon no longer listened to."""
    session = make()
    client.send(b"PING\n" * count)
    session.half_close()
    for _ in range(1 + count * 5 // READ_SIZE + 1):
        client.send(b"?\n")
        action = serve(session, clock[0])
        if action is not NEED_DATA:
            break
    assert Close() == action
    assert not is_over(session, action)
    assert count == stats_of(session).requests["ping"]


class Model:
    """When a client is to expire and why, as the manual has it."""

    def __init__(self, clock: Clock, idle: float, line: float, write: float) -> None:
        self._clock = clock
        self._idle, self._line, self._write = idle, line, write
        self._touched = self._since = clock[0]
        self._phase, self._unfinished = Phase.LISTENING, False

    def heard(self, data: bytes) -> None:
        """It has sent something while it was listened to."""
        self._touched = self._clock[0]
        if not self._unfinished:
            self._since = self._touched
        self._unfinished = not data.endswith(b"\n")

    def turn_to(self, phase: Phase) -> None:
        """It is in another phase."""
        self._phase = phase
        self._since = self._clock[0]
        if phase is Phase.LISTENING:
            self._touched = self._since

    @property
    def due(self) -> tuple[float, str] | None:
        """When, and under which name it is counted."""
        if self._phase is Phase.STALLED:
            return (self._since + self._write, "write") if self._write else None
        if self._phase is Phase.WORKING:
            return None
        if self._unfinished and self._line:
            return self._since + self._line, "line"
        return (self._touched + self._idle, "idle") if self._idle else None


def pass_by_the_model(session: Session, model: Model, clock: Clock, seconds: float) -> bool:
    """Whether the client is still waited for; it is as long as the model says."""
    counts, due = stats_of(session).timeouts, model.due
    if due is None or due[0] > clock[0] + seconds:
        let_pass(session, clock, seconds)
        assert {"idle": 0, "line": 0, "write": 0} == counts
        return True
    let_pass(session, clock, due[0] - clock[0] - 0.001)
    assert {"idle": 0, "line": 0, "write": 0} == counts, "early"
    let_pass(session, clock, due[0] - clock[0] + TICK)
    assert {"idle": 0, "line": 0, "write": 0} | {due[1]: 1} == counts
    return False


timeouts = st.sampled_from([0.0, 0.5, 3.0, 30.0, 300.0])
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([b"P", b"PING\n"]), st.just(0.0)),
        st.tuples(st.sampled_from(["work", "stall", "listen"]), st.just(0.0)),
        st.tuples(st.just("pass"), st.sampled_from([0.25, 2.0, 20.0, 200.0, 900.0])),
    ),
    max_size=25,
)


@given(idle=timeouts, line=timeouts, write=timeouts, steps=steps)
@example(idle=0.5, line=0.0, write=3.0, steps=[("stall", 0.0), ("pass", 2.0), ("listen", 0.0)])
@example(idle=0.5, line=3.0, write=0.0, steps=[(b"P", 0.0), ("pass", 2.0), (b"PING\n", 0.0)])
def test_every_deadline_is_kept_and_no_other(
    idle: float, line: float, write: float, steps: list[tuple[Any, float]]
) -> None:
    """Whichever are set, and through whatever phases a client goes."""
    clock = [1000.0]
    with ExitStack() as stack:
        client, server = map(stack.enter_context, socket.socketpair())
        server.setblocking(False)
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(
            module, "monotonic", lambda: clock[0]
        )
        session = Session(
            server,
            surroundings(dumb_service(), timeout_idle=idle, timeout_line=line, timeout_write=write),
        )
        model = Model(clock, idle, line, write)
        for kind, seconds in [*steps, ("pass", 1000.0)]:
            if kind == "pass":
                if not pass_by_the_model(session, model, clock, seconds):
                    return
            elif isinstance(kind, str):
                getattr(session, kind)()
                model.turn_to(session.phase)
            elif not session.busy:
                client.send(kind)
                session.receive(clock[0])
                model.heard(kind)
