"""Clients that wait for their time: a heap of instants, and no task for any of them.

A WAIT is then as cheap as a PING and an entry in a list. When a thousand are due in the
same millisecond they are woken in turns, where a thousand timers of a runtime would all
fire in one.
"""

import heapq
import itertools
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Generic, Protocol, TypeVar

#: Clients woken before others have their turn.
BATCH: Final = 32
#: Naps that were broken off are swept out when there are more than this, and more than
#: half of all: asyncio's values for cancelled timers.
SWEEP: Final = 100

#: When, a number that makes instants comparable, and who, unless it was broken off.
Nap = list[Any]


class Sleeper(Protocol):
    """Who can be put to sleep."""

    nap: Nap | None  #: kept by `Sleepers`


S = TypeVar("S", bound=Sleeper)


class Sleepers(Generic[S]):
    """Sleepers by the instant at which they go on.

    :param wake: called with each whose time has come, never early.
    :param moved: called when somebody is to be woken earlier than anybody before.
    """

    def __init__(
        self, wake: Callable[[S], object], moved: Callable[[], object] = lambda: None
    ) -> None:
        self._wake = wake
        self._moved = moved
        self._heap: list[Nap] = []
        self._order = itertools.count()
        self._broken = 0

    @property
    def next(self) -> float | None:
        """The next instant at which somebody may have to be woken."""
        return self._heap[0][0] if self._heap else None

    def add(self, who: S, seconds: float) -> None:
        """Wake ``who`` in ``seconds``."""
        nap: Nap = [monotonic() + seconds, next(self._order), who]
        who.nap = nap
        heapq.heappush(self._heap, nap)
        if self._heap[0] is nap:
            self._moved()

    def discard(self, who: S) -> None:
        """Do not wake it after all."""
        if who.nap is None:
            return
        who.nap[2] = None
        who.nap = None
        self._broken += 1
        if self._broken > SWEEP and self._broken * 2 > len(self._heap):
            self._heap = [nap for nap in self._heap if nap[2] is not None]
            heapq.heapify(self._heap)
            self._broken = 0

    def run_due(self, now: float) -> bool:
        """Wake those whose time has come, a batch at the most; tell whether more are due."""
        for _ in range(BATCH):
            if not self._heap or self._heap[0][0] > now:
                return False
            who = heapq.heappop(self._heap)[2]
            if who is None:
                self._broken -= 1
            else:
                who.nap = None
                self._wake(who)
        return True
