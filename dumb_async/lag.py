"""How late the loop runs: what every client feels, measured from inside."""

from time import monotonic
from typing import Final

from .hosting import Stats
from .runtimes import Runtime

#: Seconds between two measurements.
INTERVAL: Final = 0.1


async def measure_lag(runtime: Runtime, stats: Stats) -> None:
    """Sleep, and count how much longer it took, until cancelled."""
    while True:
        due = monotonic() + INTERVAL
        await runtime.sleep(INTERVAL)
        stats.observe_lag(max(monotonic() - due, 0.0))
