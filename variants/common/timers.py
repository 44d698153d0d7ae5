"""Who is to be resumed when: a heap of instants.

When a thousand are due in the same millisecond they are resumed in batches, with a turn for
others in between.
"""

import heapq
import itertools
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Generic, Protocol, TypeVar

#: Timers that fire before others have their turn.
BATCH: Final = 32
#: Timers that were cancelled are swept out when there are more than this, and more than
#: half of all: asyncio's values.
SWEEP: Final = 100

#: When, a number that makes instants comparable, and who, unless it was cancelled.
Timer = list[Any]


class Timed(Protocol):
    """Who can have a timer: one at a time."""

    timer: Timer | None  #: kept by `TimerQueue`


T = TypeVar("T", bound=Timed)


class TimerQueue(Generic[T]):
    """Timers by the instant at which they fire.

    :param fire: called with each whose time has come, never early.
    """

    def __init__(self, fire: Callable[[T], object]) -> None:
        self._fire = fire
        self._heap: list[Timer] = []
        self._order = itertools.count()
        self._cancelled = 0

    @property
    def next(self) -> float | None:
        """The next instant at which somebody may have to be resumed."""
        return self._heap[0][0] if self._heap else None

    def add(self, who: T, seconds: float) -> None:
        """Resume ``who`` in ``seconds``."""
        timer: Timer = [monotonic() + seconds, next(self._order), who]
        who.timer = timer
        heapq.heappush(self._heap, timer)

    def discard(self, who: T) -> None:
        """Do not resume it after all."""
        if who.timer is None:
            return
        who.timer[2] = None
        who.timer = None
        self._cancelled += 1
        if self._cancelled > SWEEP and self._cancelled * 2 > len(self._heap):
            self._heap = [timer for timer in self._heap if timer[2] is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def run_due(self, now: float) -> bool:
        """Resume those whose time has come, a batch at the most; tell whether more are due."""
        for _ in range(BATCH):
            if not self._heap or self._heap[0][0] > now:
                return False
            who = heapq.heappop(self._heap)[2]
            if who is None:
                self._cancelled -= 1
            else:
                who.timer = None
                self._fire(who)
        return True
