"""How long a client may be silent or take nothing; and zero, which is for ever."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dumb_async import dumb_service
from dumb_async.hosting import session as module
from dumb_async.hosting.deadlines import TICK
from dumb_async.hosting.session import LINGER, LINGER_BRIEFLY, Session
from dumb_async.protocol import NEED_DATA, Close, Send

from .memory import MemorySession, MemoryStream, hear
from .support import context_for, deadlines_of, stats_of

Clock = list[float]
Make = Callable[..., MemorySession]

NOBODY = {"idle": 0, "line": 0, "write": 0}


def new_session(*, room: float = float("inf"), **options: Any) -> MemorySession:
    """A session whose client is in memory, with settings of one's own."""
    return Session(MemoryStream(room), context_for(dumb_service(), **options))


@pytest.fixture
def make(clock: Clock) -> Make:
    """Make a session at 1000 on the clock."""
    assert clock
    return new_session


def let_pass(session: MemorySession, clock: Clock, seconds: float) -> None:
    """Let whoever is due expire in time, as a driver does."""
    deadlines, end = deadlines_of(session), clock[0] + seconds
    while deadlines.next is not None and deadlines.next <= end:
        clock[0] = max(clock[0], deadlines.next)
        deadlines.run_due(clock[0])
    clock[0] = end


def hear_all(session: MemorySession, clock: Clock, steps: list[tuple[float, bytes]]) -> None:
    """Have it hear data at given instants."""
    for clock[0], data in steps:
        session.receive(data)


IDLE, LINE, WRITE = 300.0, 30.0, 30.0
NEVER = {"timeout_idle": 0, "timeout_line": 0, "timeout_write": 0}
AN_AGE = 1e6

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
def test_silence_has_its_deadline(make: Make, clock: Clock, steps: Steps, due: float) -> None:
    """300 s from the last thing heard; 30 s from the first byte of a line."""
    session = make(timeout_idle=IDLE, timeout_line=LINE)
    hear_all(session, clock, steps)
    assert due == session.due(1150.0)


@pytest.mark.parametrize("steps", [[], [(1100, b"P")], [(1100, b"PING\n")]])
def test_a_deadline_is_watched_no_later_than_it_is_due(
    make: Make, clock: Clock, steps: Steps
) -> None:
    """Or nobody would look in time."""
    session = make(timeout_idle=IDLE, timeout_line=LINE)
    hear_all(session, clock, steps)
    next_look, due = deadlines_of(session).next, session.due(1150.0)
    assert next_look is not None
    assert due is not None
    assert next_look < due + 0.06


@pytest.mark.parametrize(
    ("idle", "line", "before", "after"),
    [
        (0, 0, None, None),
        (IDLE, 0, 1000 + IDLE, 1100 + IDLE),
        (0, LINE, None, 1100 + LINE),
    ],
)
def test_deadlines_can_be_switched_off(
    make: Make, clock: Clock, idle: float, line: float, before: float | None, after: float | None
) -> None:
    """Each without the other; zero is never, not at once."""
    session = make(timeout_idle=idle, timeout_line=line)
    assert before == session.due(9999.0)
    hear_all(session, clock, [(1100, b"P")])
    assert after == session.due(9999.0)
    assert (after is None) is (deadlines_of(session).next is None)


def test_a_client_that_is_served_is_not_silent(make: Make, clock: Clock) -> None:
    """It is looked at again later; its time starts when it is listened to again."""
    session = make(timeout_idle=IDLE, timeout_line=LINE)
    hear_all(session, clock, [(1100, b"WAIT 1000\nPIN")])
    assert 5000.0 < (session.due(5000.0) or 0)
    clock[0] = 6000.0
    assert Send(b"DONE\n") == session.next_action()
    assert 6000.0 < (session.due(6000.0) or 0)
    assert NEED_DATA is session.next_action()
    assert 6000 + LINE == session.due(6001.0)


def test_a_client_that_has_ended_is_not_waited_for(make: Make) -> None:
    """Its time is that of whoever closes it."""
    session = make(**NEVER | {"timeout_line": LINE})
    session.receive(b"PIN")
    session.receive(b"")
    session.busy = False
    assert session.due(9999.0) is None


@pytest.mark.parametrize(("data", "kind"), [(b"", "idle"), (b"PIN", "line"), (b"PING\n", "idle")])
def test_an_expired_client_is_ended_like_by_itself(make: Make, data: bytes, kind: str) -> None:
    """What it has sent meanwhile is answered first; counted by its kind."""
    session = make()
    if data:
        session.receive(data)
    session.stream.arrived = 7
    session.expire()
    assert NOBODY | {kind: 1} == stats_of(session).timeouts
    action = hear(session, b"G\nPING\n")
    assert Close() == action
    assert session.stream.sent.endswith(b"PONG\n")
    assert LINGER_BRIEFLY == session.linger_for


def test_silence_ends_in_an_end_of_input(make: Make, clock: Clock) -> None:
    """Fed to the stream, once its time is up and not before."""
    session = make(timeout_idle=IDLE)
    let_pass(session, clock, IDLE - 0.1)
    assert [] == session.stream.calls
    let_pass(session, clock, 0.1 + TICK)
    assert ["feed_eof"] == session.stream.calls
    assert Close() == session.receive(b"")
    let_pass(session, clock, AN_AGE)
    assert ["feed_eof"] == session.stream.calls
    assert NOBODY | {"idle": 1} == stats_of(session).timeouts


@pytest.fixture
def stalled(make: Make) -> MemorySession:
    """A session whose client takes nothing."""
    session = make(room=10, timeout_write=WRITE)
    session.receive(b"STREAM 1000\n")
    session.stall()
    return session


def test_who_takes_nothing_is_cancelled(stalled: MemorySession, clock: Clock) -> None:
    """Once its time is up, not before; counted once, and not as lost."""
    let_pass(stalled, clock, WRITE - 0.1)
    assert [] == stalled.stream.calls
    let_pass(stalled, clock, 0.1 + TICK)
    assert ["cancel"] == stalled.stream.calls
    let_pass(stalled, clock, AN_AGE)
    assert ["cancel"] == stalled.stream.calls
    assert NOBODY | {"write": 1} == stats_of(stalled).timeouts
    stalled.lost(ConnectionResetError())
    assert 0 == stats_of(stalled).resets


def test_who_takes_some_has_its_time_again(stalled: MemorySession, clock: Clock) -> None:
    """Every time; and not for what it took before."""
    for _ in range(4):
        let_pass(stalled, clock, WRITE - 0.1)
        stalled.stream.room += 1
        let_pass(stalled, clock, 0.1 + TICK)
        assert [] == stalled.stream.calls
    let_pass(stalled, clock, WRITE + TICK)
    assert ["cancel"] == stalled.stream.calls


def test_who_goes_on_is_stalled_no_more(stalled: MemorySession, clock: Clock) -> None:
    """Its next stall has a time of its own."""
    let_pass(stalled, clock, WRITE - 1)
    stalled.go_on()
    let_pass(stalled, clock, 1000)
    stalled.stall()
    let_pass(stalled, clock, WRITE - 1)
    assert [] == stalled.stream.calls
    let_pass(stalled, clock, 1 + TICK)
    assert ["cancel"] == stalled.stream.calls


def test_who_was_stalled_and_listens_has_its_time_as_before(
    stalled: MemorySession, clock: Clock
) -> None:
    """The time to be idle begins then."""
    let_pass(stalled, clock, WRITE / 2)
    stalled.go_on()
    assert NEED_DATA is stalled.next_action()
    assert clock[0] + IDLE == stalled.due(clock[0])
    let_pass(stalled, clock, IDLE - 0.1)
    assert NOBODY == stats_of(stalled).timeouts
    let_pass(stalled, clock, 0.1 + TICK)
    assert NOBODY | {"idle": 1} == stats_of(stalled).timeouts
    assert ["feed_eof"] == stalled.stream.calls


@pytest.mark.parametrize("data", [b"", b"PIN", b"PING\n"])
def test_nobody_expires_without_deadlines(make: Make, clock: Clock, data: bytes) -> None:
    """Whatever it does; nor is anybody looked at for nothing."""
    session = make(room=0, **NEVER)
    steps: list[Callable[[], object]] = [
        lambda: session.receive(data or b"?\n"), session.stall, session.go_on, session.next_action,
    ]  # fmt: skip
    for step in steps:
        step()
        let_pass(session, clock, AN_AGE)
        assert session.due(clock[0]) is None
    assert deadlines_of(session).next is None
    assert NOBODY == stats_of(session).timeouts
    assert [] == session.stream.calls


@pytest.mark.parametrize("unfinished", [b"", b"PIN"])
def test_a_stall_without_a_deadline_does_not_lose_the_others(
    make: Make, clock: Clock, unfinished: bytes
) -> None:
    """Who is listened to again after an age has its 300 s, or 30 s for its line."""
    session = make(timeout_idle=IDLE, timeout_line=LINE, timeout_write=0)
    session.receive(b"WAIT 1\n" + unfinished)
    session.stall()
    let_pass(session, clock, AN_AGE)
    assert [] == session.stream.calls
    session.go_on()
    session.next_action()
    assert NEED_DATA is session.next_action()
    patience, kind = (LINE, "line") if unfinished else (IDLE, "idle")
    let_pass(session, clock, patience - 0.1)
    assert NOBODY == stats_of(session).timeouts
    let_pass(session, clock, 0.1 + TICK)
    assert NOBODY | {kind: 1} == stats_of(session).timeouts


def test_who_was_told_to_go_is_not_waited_for_as_long(make: Make) -> None:
    """It goes on asking although its side was ended for it."""
    session = make()
    assert LINGER == session.linger_for
    session.end_input()
    assert LINGER_BRIEFLY == session.linger_for


@pytest.mark.parametrize("count", [0, 1, 10_000])
def test_the_end_is_put_where_it_was(make: Make, count: int) -> None:
    """What had come before is answered; who goes on asking is soon no longer listened to."""
    session = make(limit_pipeline=20_000)
    had_come = b"PING\n" * count
    session.stream.arrived = len(had_come)
    session.end_input()
    for start in range(0, max(1, len(had_come)), 4096):
        action = hear(session, had_come[start : start + 4096])
    assert count == stats_of(session).requests["ping"]
    assert Close() == action
    assert (not count) is session.ended


class Model:
    """When a client is to expire and why, as the manual has it."""

    def __init__(self, clock: Clock, idle: float, line: float, write: float) -> None:
        self._clock = clock
        self._idle, self._line, self._write = idle, line, write
        self._touched = self._since = clock[0]
        self._does, self._unfinished = "listen", False

    def heard(self, data: bytes) -> None:
        """It has sent something while it was listened to."""
        self._touched = self._clock[0]
        if not self._unfinished:
            self._since = self._touched
        self._unfinished = not data.endswith(b"\n")

    def turn_to(self, what: str) -> None:
        """It does something else."""
        self._does = what
        self._since = self._clock[0]
        if what == "listen":
            self._touched = self._since

    @property
    def due(self) -> tuple[float, str] | None:
        """When, and under which name it is counted."""
        if self._does == "stall":
            return (self._since + self._write, "write") if self._write else None
        if self._does == "work":
            return None
        if self._unfinished and self._line:
            return self._since + self._line, "line"
        return (self._touched + self._idle, "idle") if self._idle else None


def pass_by_the_model(session: MemorySession, model: Model, clock: Clock, seconds: float) -> bool:
    """Whether the client is still waited for; it is as long as the model says."""
    counts, due = stats_of(session).timeouts, model.due
    if due is None or due[0] > clock[0] + seconds:
        let_pass(session, clock, seconds)
        assert NOBODY == counts
        return True
    let_pass(session, clock, due[0] - clock[0] - 0.001)
    assert NOBODY == counts, "early"
    let_pass(session, clock, due[0] - clock[0] + TICK)
    assert NOBODY | {due[1]: 1} == counts
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
    """Whichever are set, and whatever is done for a client meanwhile."""
    clock = [1000.0]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(module, "monotonic", lambda: clock[0])
        session = new_session(timeout_idle=idle, timeout_line=line, timeout_write=write)
        model = Model(clock, idle, line, write)
        for kind, seconds in [*steps, ("pass", 1000.0)]:
            if kind == "pass":
                if not pass_by_the_model(session, model, clock, seconds):
                    return
            elif isinstance(kind, str):
                turn_to(session, kind)
                model.turn_to(kind)
            elif not session.busy:
                session.receive(kind)
                model.heard(kind)


def turn_to(session: MemorySession, what: str) -> None:
    """Have it do something else, as a handler would."""
    session.busy = True
    session.go_on()
    if what == "stall":
        session.stall()
    elif what == "listen":
        assert NEED_DATA is session.next_action()
