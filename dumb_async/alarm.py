"""Let timers act when it is time, also when an earlier one comes in while somebody waits."""

from collections.abc import Callable
from time import monotonic
from typing import Protocol

from .runtimes import Runtime


class Timers(Protocol):
    """Things to be done at their time: `Deadlines`, `Sleepers`."""

    @property
    def next(self) -> float | None:
        """When the next is due, on the monotonic clock; ``None``: there is none."""

    def run_due(self, now: float) -> bool:
        """Do what is due, a batch at the most; tell whether there is more."""


class Alarm:
    """Wakes its one waiter at an instant, or when it is told that there is an earlier one."""

    def __init__(self) -> None:
        self._wake: Callable[[], object] | None = None

    def move(self) -> None:
        """Wake the waiter now, to look at the clock anew."""
        if self._wake is not None:
            self._wake()

    async def wait(self, runtime: Runtime, until: float | None) -> None:
        """Wait until then, on the monotonic clock, or until the alarm is moved.

        May return a little early, as timers do; cancelled, it can be waited for again.

        :param until: ``None``: only moving it ends the wait.
        """
        moved = runtime.event()
        self._wake = moved.set
        timeout = None if until is None else max(until - monotonic(), 0)
        with runtime.cancel_scope(timeout):
            await moved.wait()

    async def keep(self, runtime: Runtime, timers: Timers) -> None:
        """Let the timers act in time, until cancelled; they move the alarm."""
        while True:
            if timers.run_due(monotonic()):
                await runtime.checkpoint()
            else:
                await self.wait(runtime, timers.next)
