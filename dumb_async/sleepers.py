"""Clients that wait for their time: a heap of instants, and no task for any of them.

A WAIT is then as cheap as a PING and an entry in a list. When a thousand are due in the
same millisecond they are woken in turns, where a thousand timers of a runtime would all
fire in one.
"""

import heapq
import itertools
from collections.abc import Callable
from time import monotonic
from typing import Final

from .alarm import Alarm
from .runtimes import Runtime
from .session import Nap, Session

#: Clients woken before others have their turn.
BATCH: Final = 32
#: Naps that were broken off are swept out when there are more than this, and more than
#: half of all: asyncio's values for cancelled timers.
SWEEP: Final = 100


class Sleepers:
    """Sessions by the instant at which they go on.

    :param wake: called with each session whose time has come, never early.
    """

    def __init__(self, wake: Callable[[Session], None]) -> None:
        self._wake = wake
        self._heap: list[Nap] = []
        self._order = itertools.count()
        self._broken = 0
        self._alarm = Alarm()

    def add(self, session: Session, seconds: float) -> None:
        """Wake ``session`` in ``seconds``."""
        nap: Nap = [monotonic() + seconds, next(self._order), session]
        session.nap = nap
        heapq.heappush(self._heap, nap)
        if self._heap[0] is nap:
            self._alarm.move()

    def discard(self, session: Session) -> None:
        """Do not wake it after all."""
        if session.nap is None:
            return
        session.nap[2] = None
        session.nap = None
        self._broken += 1
        if self._broken > SWEEP and self._broken * 2 > len(self._heap):
            self._heap = [nap for nap in self._heap if nap[2] is not None]
            heapq.heapify(self._heap)
            self._broken = 0

    def wake(self, now: float) -> bool:
        """Wake those whose time has come, a batch at the most; tell whether more are due."""
        for _ in range(BATCH):
            if not self._heap or self._heap[0][0] > now:
                return False
            session = heapq.heappop(self._heap)[2]
            if session is None:
                self._broken -= 1
            else:
                session.nap = None
                self._wake(session)
        return True

    async def run(self, runtime: Runtime) -> None:
        """Wake everybody in time, until cancelled."""
        while True:
            if self.wake(monotonic()):
                await runtime.checkpoint()
            else:
                await self._alarm.wait(runtime, self._heap[0][0] if self._heap else None)
