"""What a loop does unasked: in time, in turn, and for nobody who is gone."""

import pytest

from dumb_async.hosting import Stats
from dumb_async.hosting.deadlines import TICK
from variants.common.schedule import LAG_INTERVAL, LONGEST_WAIT, LagMeter, PeriodicTask, Schedule
from variants.common.state import State
from variants.common.timers import Timer


class Waiter:
    """As much of one who waits as a schedule needs."""

    def __init__(self, state: State = State.BUSY) -> None:
        self.state = state
        self.timer: Timer | None = None


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
def schedule(resumed: list[Waiter], now: list[float]) -> Schedule[Waiter]:
    """A schedule at 1000 on the clock."""
    assert now
    return Schedule(resumed.append)


def test_nothing_to_do_is_waited_for_as_long_as_can_be(schedule: Schedule[Waiter]) -> None:
    """But not for longer than a system call takes."""
    assert LONGEST_WAIT == schedule.timeout()
    schedule.sleep(Waiter(), 10 * LONGEST_WAIT)
    assert LONGEST_WAIT == schedule.timeout()


def test_who_wants_a_turn_is_not_kept_waiting(schedule: Schedule[Waiter]) -> None:
    """Whoever else is due at some time."""
    schedule.sleep(Waiter(), 5)
    schedule.queue(Waiter())
    assert 0 == schedule.timeout()


def test_the_timeout_is_that_of_whoever_is_first(
    schedule: Schedule[Waiter], now: list[float]
) -> None:
    """Sleepers and deadlines alike; never less than nothing, however late it is."""
    schedule.deadlines.watch(Timed(1003.0), 1003.0)
    assert 3.0 <= schedule.timeout() <= 3.0 + TICK
    schedule.sleep(Waiter(), 2)
    assert 2.0 == schedule.timeout()
    now[0] = 1001.5
    assert 0.5 == schedule.timeout()
    now[0] = 1100.0
    assert 0 == schedule.timeout()


def test_one_has_its_turn_at_a_time(schedule: Schedule[Waiter], resumed: list[Waiter]) -> None:
    """In the order in which they came; who queues again is behind all others."""
    one, two, three = Waiter(), Waiter(), Waiter()
    for waiter in (one, two, one, three):
        schedule.queue(waiter)
    for count, waiter in enumerate((one, two, one, three), 1):
        schedule.run_due()
        assert count == len(resumed)
        assert waiter is resumed[-1]
    schedule.run_due()
    assert 4 == len(resumed)
    assert LONGEST_WAIT == schedule.timeout()


def test_who_is_closed_has_no_turn_and_costs_none(
    schedule: Schedule[Waiter], resumed: list[Waiter]
) -> None:
    """The next one has it."""
    gone, there = Waiter(State.CLOSED), Waiter()
    for waiter in (gone, gone, there, gone):
        schedule.queue(waiter)
    schedule.run_due()
    assert [there] == resumed
    schedule.run_due()
    assert [there] == resumed
    assert LONGEST_WAIT == schedule.timeout()


def test_sleepers_are_resumed_in_time(
    schedule: Schedule[Waiter], resumed: list[Waiter], now: list[float]
) -> None:
    """Not before, and once."""
    late, early = Waiter(), Waiter()
    schedule.sleep(late, 2)
    schedule.sleep(early, 1)
    now[0] = 1000.999
    schedule.run_due()
    assert [] == resumed
    now[0] = 1001.0
    schedule.run_due()
    assert [early] == resumed
    now[0] = 1100.0
    schedule.run_due()
    schedule.run_due()
    assert [early, late] == resumed


def test_who_is_forgotten_is_not_resumed(
    schedule: Schedule[Waiter], resumed: list[Waiter], now: list[float]
) -> None:
    """Neither later nor at all; to forget somebody twice, or who never slept, is no mistake."""
    waiter = Waiter()
    schedule.sleep(waiter, 1)
    schedule.forget(waiter)
    schedule.forget(waiter)
    schedule.forget(Waiter())
    now[0] = 1002.0
    schedule.run_due()
    assert [] == resumed


def test_who_reads_is_notified_once(schedule: Schedule[Waiter], resumed: list[Waiter]) -> None:
    """However often there is something to say until it says it; later it can be again."""
    waiter = Waiter(State.READING)
    schedule.notify(waiter)
    schedule.notify(waiter)
    assert [] == resumed
    assert 0 == schedule.timeout()
    schedule.run_due()
    assert [waiter] == resumed
    schedule.notify(waiter)
    schedule.run_due()
    assert [waiter, waiter] == resumed


@pytest.mark.parametrize(
    "state", [State.BUSY, State.WRITING, State.LINGERING, State.CLOSED], ids=lambda one: one.name
)
def test_who_does_not_read_is_not_notified(
    schedule: Schedule[Waiter], resumed: list[Waiter], state: State
) -> None:
    """It comes to speak when it is done with what it does."""
    schedule.notify(Waiter(state))
    schedule.run_due()
    assert [] == resumed


def test_deadlines_expire(schedule: Schedule[Waiter], now: list[float]) -> None:
    """With everything else that is due."""
    timed = Timed(1001.0)
    schedule.deadlines.watch(timed, timed.deadline)
    schedule.run_due()
    assert not timed.expired
    now[0] = 1001.0 + TICK
    schedule.run_due()
    assert timed.expired


def test_a_turn_is_had_beside_sleepers_and_deadlines(
    schedule: Schedule[Waiter], resumed: list[Waiter], now: list[float]
) -> None:
    """None of the three waits for the others."""
    timed, sleeper, queuer = Timed(1000.0), Waiter(), Waiter()
    schedule.deadlines.watch(timed, timed.deadline)
    schedule.sleep(sleeper, 1)
    schedule.queue(queuer)
    now[0] = 1001.0
    schedule.run_due()
    assert timed.expired
    assert [sleeper, queuer] == resumed


def test_lag_is_how_late_a_sleep_ends(now: list[float]) -> None:
    """Again and again; what is early by a rounding error is not late."""
    schedule = Schedule[PeriodicTask](lambda task: task.resume())
    stats = Stats(())
    LagMeter(schedule, stats)
    assert LAG_INTERVAL == pytest.approx(schedule.timeout())
    now[0] = 1000.0 + LAG_INTERVAL + 0.75
    schedule.run_due()
    assert 0.75 == pytest.approx(stats.lag_sum)
    assert LAG_INTERVAL == pytest.approx(schedule.timeout())
    now[0] += LAG_INTERVAL + 1e-9
    schedule.run_due()
    assert 0.75 == pytest.approx(stats.lag_sum)
    assert 2 == sum(stats.lag_counts)


def test_a_periodic_task_has_to_be_something() -> None:
    """It has no descriptor, and only ever waits for its time."""
    task = PeriodicTask()
    assert (-1, State.BUSY, State.BUSY) == (task.fd, task.state, task.ready())
    task.close()
    with pytest.raises(NotImplementedError):
        task.resume()
