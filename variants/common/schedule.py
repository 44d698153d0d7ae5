"""What one loop is to do without being told by the kernel: at a time, or in turn."""

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Generic, Protocol, TypeVar

from dumb_async.hosting import Deadlines, Stats

from .state import State
from .timers import Timer, TimerQueue

#: Seconds that a loop waits at the most: what every system call can take.
LONGEST_WAIT: Final = 86_400.0
#: Seconds between two looks at how late the loop runs.
LAG_INTERVAL: Final = 0.1


class Resumable(Protocol):
    """Who waits for a time or a turn: an `EventHandler`, or a coroutine's task."""

    @property
    def state(self) -> State:
        """CLOSED: it waits no more."""

    timer: Timer | None  # kept by `TimerQueue`


R = TypeVar("R", bound=Resumable)


class Schedule(Generic[R]):
    """Timers, deadlines, and a queue of those who want a turn.

    :param resume: called with each whose time or turn has come.
    """

    def __init__(self, resume: Callable[[R], object]) -> None:
        self.deadlines = Deadlines()
        self._resume = resume
        self._timers: TimerQueue[R] = TimerQueue(resume)
        self._turns: deque[R] = deque()

    def sleep(self, who: R, seconds: float) -> None:
        """Resume ``who`` in ``seconds``."""
        self._timers.add(who, seconds)

    def queue(self, who: R) -> None:
        """Resume ``who`` when it is its turn: one of them has one in each turn of the loop."""
        self._turns.append(who)

    def notify(self, who: R) -> None:
        """Resume ``who`` soon, if it just reads: it has something to say."""
        if who.state is State.READING and who.timer is None:
            self._timers.add(who, 0)

    def forget(self, who: R) -> None:
        """Resume it no more. Call it closed as well: who queues is looked at first."""
        self._timers.discard(who)

    def timeout(self) -> float:
        """Seconds until there is something to do."""
        if self._turns:
            return 0
        now = monotonic()
        until = now + LONGEST_WAIT
        for due in (self._timers.next, self.deadlines.next):
            if due is not None and due < until:
                until = due
        return max(until - now, 0)

    def run_due(self) -> None:
        """Do what it is time for: a batch of timers and deadlines, and one turn."""
        now = monotonic()
        self.deadlines.run_due(now)
        self._timers.run_due(now)
        while self._turns:
            who = self._turns.popleft()
            if who.state is not State.CLOSED:
                self._resume(who)
                return


class PeriodicTask:
    """An `EventHandler` without a descriptor, which only ever waits for its time."""

    def __init__(self) -> None:
        self.fd = -1
        self.state = State.BUSY
        self.timer: Timer | None = None

    def ready(self) -> State:
        """Never called: it has no descriptor."""
        return self.state

    def resume(self) -> State:
        """Do what it is time for."""
        raise NotImplementedError

    def close(self) -> None:
        """Never called: it lives as long as its loop."""


class LagMeter(PeriodicTask):
    """Sleeps, and counts how much longer it took: what every client of the loop feels."""

    def __init__(self, schedule: Schedule[Any], stats: Stats) -> None:
        super().__init__()
        self._schedule = schedule
        self._stats = stats
        self._sleep()

    def resume(self) -> State:
        """Count how late it is."""
        self._stats.observe_lag(max(monotonic() - self._due, 0.0))
        self._sleep()
        return self.state

    def _sleep(self) -> None:
        self._due = monotonic() + LAG_INTERVAL
        self._schedule.sleep(self, LAG_INTERVAL)
