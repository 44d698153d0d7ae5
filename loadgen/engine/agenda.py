"""What is to be done when, over one exact timer."""

import asyncio
import heapq
import math
from collections.abc import Callable
from itertools import count
from time import monotonic

from .timer import Timer

#: What is done at its time: called with the instant it was due.
Task = Callable[[float], object]


class Agenda:
    """A heap of tasks by the instant they are due."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._heap: list[tuple[float, int, Task]] = []
        self._serial = count()
        self._armed = math.inf
        self._timer = Timer(loop, self._run_due)

    def at(self, instant: float, task: Task) -> None:
        """Do ``task`` at ``instant`` on the monotonic clock; tasks of one instant in order."""
        heapq.heappush(self._heap, (instant, next(self._serial), task))
        if instant < self._armed:
            self._arm(instant)

    def clear(self) -> None:
        """Do nothing more."""
        self._heap.clear()

    def close(self) -> None:
        """Let go of the timer."""
        self.clear()
        self._timer.close()

    def _run_due(self) -> None:
        heap, now = self._heap, monotonic()
        self._armed = -math.inf  # nobody need arm it in here
        while heap and heap[0][0] <= now:
            instant, _, task = heapq.heappop(heap)
            task(instant)
        self._arm(heap[0][0] if heap else math.inf)

    def _arm(self, instant: float) -> None:
        self._armed = instant
        if instant < math.inf:
            self._timer.set(instant)
