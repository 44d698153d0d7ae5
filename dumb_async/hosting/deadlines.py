"""Deadlines of many connections at the price of one entry each.

A timer per connection, moved at every request, would cost more than the request. So a
connection is looked at only when the earliest deadline that it can have comes up; it
then says when it is really due, and is put back (Varghese and Lauck's timing wheel,
1987, with a hash table for the wheel).
"""

import heapq
import math
from typing import Final, Protocol

#: Seconds a deadline may be late. A power of two, so that counting in it is exact.
TICK: Final = 1 / 32
#: Connections looked at before others have their turn.
BATCH: Final = 128


class Timed(Protocol):
    """What can be watched."""

    tick: int | None  #: when it is looked at next, kept by `Deadlines`

    def due(self, now: float) -> float | None:
        """When it is to expire, on the monotonic clock; ``None``: never again."""

    def expire(self) -> None:
        """Its time has come."""


class Watch(Protocol):
    """Looks after what is to expire; `Deadlines` is one, the kernel can be another."""

    def watch(self, what: Timed, due: float) -> None:
        """Look at ``what`` no later than ``due``, an instant on the monotonic clock."""

    def discard(self, what: Timed) -> None:
        """Forget ``what``."""


class Deadlines:
    """Who is to be looked at when. Never early, late by `TICK` at the most."""

    def __init__(self) -> None:
        self._buckets: dict[int, set[Timed]] = {}
        self._ticks: list[int] = []  # a heap of the buckets there are

    def watch(self, what: Timed, due: float) -> None:
        """Look at ``what`` no later than ``due``, an instant on the monotonic clock."""
        tick = math.ceil(due / TICK)
        if what.tick is not None and what.tick <= tick:
            return  # it is looked at before that anyway
        self.discard(what)
        what.tick = tick
        if tick not in self._buckets:
            self._buckets[tick] = set()
            heapq.heappush(self._ticks, tick)
        self._buckets[tick].add(what)

    def discard(self, what: Timed) -> None:
        """Forget ``what``."""
        if what.tick is not None:
            self._buckets[what.tick].discard(what)
            what.tick = None

    @property
    def next(self) -> float | None:
        """The next instant at which somebody is to be looked at."""
        return self._ticks[0] * TICK if self._ticks else None

    def run_due(self, now: float) -> bool:
        """Let those expire whose time has come, and put the others back.

        A batch at the most; tell whether there are more.
        """
        left = BATCH
        while left > 0 and self._ticks and self._ticks[0] * TICK <= now:
            bucket = self._buckets[self._ticks[0]]
            if bucket:
                what = bucket.pop()
                what.tick = None
                self._look_at(what, now)
                left -= 1
            else:
                del self._buckets[heapq.heappop(self._ticks)]
        return left == 0

    def _look_at(self, what: Timed, now: float) -> None:
        due = what.due(now)
        if due is None:
            return
        if due <= now:
            what.expire()
        else:
            self.watch(what, due)
