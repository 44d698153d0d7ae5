"""What is done ten times a second: deadlines that have passed, and how late the loop runs."""

from time import monotonic
from typing import Final

from .hosting import Deadlines, Stats
from .runtimes import Runtime

#: Seconds between two looks; so much a deadline may be late.
INTERVAL: Final = 0.1


async def keep_time(runtime: Runtime, deadlines: Deadlines, stats: Stats) -> None:
    """Sleep, count how much longer it took, and let expire who is due, until cancelled.

    How late this task comes is what every client of the loop feels.
    """
    while True:
        due = monotonic() + INTERVAL
        await runtime.sleep(INTERVAL)
        now = monotonic()
        stats.observe_lag(max(now - due, 0.0))
        while deadlines.run_due(now):
            await runtime.checkpoint()
