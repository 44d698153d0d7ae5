"""What a loop does unasked: in time, in turn, and for nobody who is gone."""

from typing import Any

import pytest

from dumb_async.hosting import Phase, Stats
from dumb_async.hosting.deadlines import TICK
from variants.common.agenda import LAG_INTERVAL, LONGEST_WAIT, Agenda, Chore, LagMeter


class Waiter:
    """As much of a waiter as an agenda needs."""

    def __init__(self, phase: Phase = Phase.WORKING) -> None:
        self.phase = phase
        self.nap: list[Any] | None = None


class Timed:
    """Something with a deadline."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.tick: int | None = None
        self.expired = False

    def due(self, now: float) -> float:
        """See `dumb_async.hosting.deadlines.Timed`."""
        assert now >= self.deadline
        return self.deadline

    def expire(self) -> None:
        """See `dumb_async.hosting.deadlines.Timed`."""
        self.expired = True


@pytest.fixture
def resumed() -> list[Waiter]:
    """Who was resumed, in order."""
    return []


@pytest.fixture
def agenda(resumed: list[Waiter], now: list[float]) -> Agenda[Waiter]:
    """An agenda at 1000 on the clock."""
    assert now
    return Agenda(resumed.append)


def test_nothing_to_do_is_waited_for_as_long_as_can_be(agenda: Agenda[Waiter]) -> None:
    """But not for longer than a system call takes."""
    assert LONGEST_WAIT == agenda.timeout()
    agenda.sleep(Waiter(), 10 * LONGEST_WAIT)
    assert LONGEST_WAIT == agenda.timeout()


def test_who_wants_a_turn_is_not_kept_waiting(agenda: Agenda[Waiter]) -> None:
    """Whoever else is due at some time."""
    agenda.sleep(Waiter(), 5)
    agenda.queue(Waiter())
    assert 0 == agenda.timeout()


def test_the_timeout_is_that_of_whoever_is_first(agenda: Agenda[Waiter], now: list[float]) -> None:
    """Sleepers and deadlines alike; never less than nothing, however late it is."""
    agenda.deadlines.watch(Timed(1003.0), 1003.0)
    assert 3.0 <= agenda.timeout() <= 3.0 + TICK
    agenda.sleep(Waiter(), 2)
    assert 2.0 == agenda.timeout()
    now[0] = 1001.5
    assert 0.5 == agenda.timeout()
    now[0] = 1100.0
    assert 0 == agenda.timeout()


def test_one_has_its_turn_at_a_time(agenda: Agenda[Waiter], resumed: list[Waiter]) -> None:
    """In the order in which they came; who queues again is behind all others."""
    one, two, three = Waiter(), Waiter(), Waiter()
    for waiter in (one, two, one, three):
        agenda.queue(waiter)
    for count, waiter in enumerate((one, two, one, three), 1):
        agenda.run_due()
        assert count == len(resumed)
        assert waiter is resumed[-1]
    agenda.run_due()
    assert 4 == len(resumed)
    assert LONGEST_WAIT == agenda.timeout()


def test_who_is_closed_has_no_turn_and_costs_none(
    agenda: Agenda[Waiter], resumed: list[Waiter]
) -> None:
    """The next one has it."""
    gone, there = Waiter(Phase.CLOSED), Waiter()
    for waiter in (gone, gone, there, gone):
        agenda.queue(waiter)
    agenda.run_due()
    assert [there] == resumed
    agenda.run_due()
    assert [there] == resumed
    assert LONGEST_WAIT == agenda.timeout()


def test_sleepers_are_resumed_in_time(
    agenda: Agenda[Waiter], resumed: list[Waiter], now: list[float]
) -> None:
    """Not before, and once."""
    late, early = Waiter(), Waiter()
    agenda.sleep(late, 2)
    agenda.sleep(early, 1)
    now[0] = 1000.999
    agenda.run_due()
    assert [] == resumed
    now[0] = 1001.0
    agenda.run_due()
    assert [early] == resumed
    now[0] = 1100.0
    agenda.run_due()
    agenda.run_due()
    assert [early, late] == resumed


def test_who_is_forgotten_is_not_resumed(
    agenda: Agenda[Waiter], resumed: list[Waiter], now: list[float]
) -> None:
    """Neither later nor at all; to forget somebody twice, or who never slept, is no mistake."""
    waiter = Waiter()
    agenda.sleep(waiter, 1)
    agenda.forget(waiter)
    agenda.forget(waiter)
    agenda.forget(Waiter())
    now[0] = 1002.0
    agenda.run_due()
    assert [] == resumed


def test_who_listens_is_prodded_once(agenda: Agenda[Waiter], resumed: list[Waiter]) -> None:
    """However often there is something to say until it says it; later it can be again."""
    waiter = Waiter(Phase.LISTENING)
    agenda.prod(waiter)
    agenda.prod(waiter)
    assert [] == resumed
    assert 0 == agenda.timeout()
    agenda.run_due()
    assert [waiter] == resumed
    agenda.prod(waiter)
    agenda.run_due()
    assert [waiter, waiter] == resumed


@pytest.mark.parametrize(
    "phase", [Phase.WORKING, Phase.STALLED, Phase.LINGERING, Phase.CLOSED], ids=lambda one: one.name
)
def test_who_does_not_listen_is_not_prodded(
    agenda: Agenda[Waiter], resumed: list[Waiter], phase: Phase
) -> None:
    """It comes to speak when it is done with what it does."""
    agenda.prod(Waiter(phase))
    agenda.run_due()
    assert [] == resumed


def test_deadlines_expire(agenda: Agenda[Waiter], now: list[float]) -> None:
    """With everything else that is due."""
    timed = Timed(1001.0)
    agenda.deadlines.watch(timed, timed.deadline)
    agenda.run_due()
    assert not timed.expired
    now[0] = 1001.0 + TICK
    agenda.run_due()
    assert timed.expired


def test_a_turn_is_had_beside_sleepers_and_deadlines(
    agenda: Agenda[Waiter], resumed: list[Waiter], now: list[float]
) -> None:
    """None of the three waits for the others."""
    timed, sleeper, queuer = Timed(1000.0), Waiter(), Waiter()
    agenda.deadlines.watch(timed, timed.deadline)
    agenda.sleep(sleeper, 1)
    agenda.queue(queuer)
    now[0] = 1001.0
    agenda.run_due()
    assert timed.expired
    assert [sleeper, queuer] == resumed


def test_lag_is_how_late_a_sleep_ends(now: list[float]) -> None:
    """Again and again; what is early by a rounding error is not late."""
    agenda = Agenda[Chore](lambda chore: chore.resume())
    stats = Stats(())
    LagMeter(agenda, stats)
    assert LAG_INTERVAL == pytest.approx(agenda.timeout())
    now[0] = 1000.0 + LAG_INTERVAL + 0.75
    agenda.run_due()
    assert 0.75 == pytest.approx(stats.lag_sum)
    assert LAG_INTERVAL == pytest.approx(agenda.timeout())
    now[0] += LAG_INTERVAL + 1e-9
    agenda.run_due()
    assert 0.75 == pytest.approx(stats.lag_sum)
    assert 2 == sum(stats.lag_counts)


def test_a_chore_has_to_be_something() -> None:
    """It has no descriptor, and only ever waits for its time."""
    chore = Chore()
    assert (-1, Phase.WORKING, Phase.WORKING) == (chore.fd, chore.phase, chore.ready())
    chore.close()
    with pytest.raises(NotImplementedError):
        chore.resume()
