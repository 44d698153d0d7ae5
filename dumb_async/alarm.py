"""Wait for an instant that may be moved while somebody waits for it."""

from collections.abc import Callable
from time import monotonic

from .runtimes import Runtime


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
