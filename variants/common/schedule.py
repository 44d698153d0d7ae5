"""What one loop is to do without being told by the kernel: at a time, or in turn."""

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Generic, Protocol, TypeVar

from dumb_async.hosting import Deadlines, Phase, Sleepers, Stats

#: Seconds that a loop waits at the most: what every system call can take.
LONGEST_WAIT: Final = 86_400.0
#: Seconds between two looks at how late the loop runs.
LAG_INTERVAL: Final = 0.1


class Patient(Protocol):
    """Who waits for a time or a turn: a `Waiter`, or a coroutine."""

    @property
    def phase(self) -> Phase:
        """CLOSED: it waits no more."""

    nap: list[Any] | None  # kept by `dumb_async.hosting.Sleepers`


P = TypeVar("P", bound=Patient)


class Agenda(Generic[P]):
    """Sleepers, deadlines, and a queue of those who want a turn.

    :param resume: called with each whose time or turn has come.
    """

    def __init__(self, resume: Callable[[P], object]) -> None:
        self.deadlines = Deadlines()
        self._resume = resume
        self._sleepers: Sleepers[P] = Sleepers(resume)
        self._turns: deque[P] = deque()

    def sleep(self, waiter: P, seconds: float) -> None:
        """Resume ``waiter`` in ``seconds``."""
        self._sleepers.add(waiter, seconds)

    def queue(self, waiter: P) -> None:
        """Resume ``waiter`` when it is its turn: one of them has one in each turn of the loop."""
        self._turns.append(waiter)

    def prod(self, waiter: P) -> None:
        """Resume ``waiter`` soon, if it just listens: it has something to say."""
        if waiter.phase is Phase.LISTENING and waiter.nap is None:
            self._sleepers.add(waiter, 0)

    def forget(self, waiter: P) -> None:
        """Resume it no more. Call it closed as well: who queues is looked at first."""
        self._sleepers.discard(waiter)

    def timeout(self) -> float:
        """Seconds until there is something to do."""
        if self._turns:
            return 0
        now = monotonic()
        until = now + LONGEST_WAIT
        for due in (self._sleepers.next, self.deadlines.next):
            if due is not None and due < until:
                until = due
        return max(until - now, 0)

    def run_due(self) -> None:
        """Do what it is time for: a batch of sleepers and deadlines, and one turn."""
        now = monotonic()
        self.deadlines.run_due(now)
        self._sleepers.run_due(now)
        while self._turns:
            waiter = self._turns.popleft()
            if waiter.phase is not Phase.CLOSED:
                self._resume(waiter)
                return


class Chore:
    """A `Waiter` without a descriptor, which only ever waits for its time."""

    def __init__(self) -> None:
        self.fd = -1
        self.phase = Phase.WORKING
        self.nap: list[Any] | None = None

    def ready(self) -> Phase:
        """Never called: it has no descriptor."""
        return self.phase

    def resume(self) -> Phase:
        """Do what it is time for."""
        raise NotImplementedError

    def close(self) -> None:
        """Never called: it lives as long as its loop."""


class LagMeter(Chore):
    """Sleeps, and counts how much longer it took: what every client of the loop feels."""

    def __init__(self, agenda: Agenda[Any], stats: Stats) -> None:
        super().__init__()
        self._agenda = agenda
        self._stats = stats
        self._sleep()

    def resume(self) -> Phase:
        """Count how late it is."""
        self._stats.observe_lag(max(monotonic() - self._due, 0.0))
        self._sleep()
        return self.phase

    def _sleep(self) -> None:
        self._due = monotonic() + LAG_INTERVAL
        self._agenda.sleep(self, LAG_INTERVAL)
