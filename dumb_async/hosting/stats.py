"""What the server counts: plain integers, read when somebody asks.

Counting is on the path of every request, so it is an addition and nothing more; names,
labels and text are made in `metrics` when a scraper comes.
"""

import logging
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

logger = logging.getLogger(__name__)

#: Upper bounds of the lag histogram's buckets, in seconds; one more takes what is over.
LAG_BOUNDS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip

#: Why connections are refused or lost before they are served.
BUSY: Final = "busy"
MEMORY: Final = "memory"

#: Deadlines that end a connection.
TIMEOUTS: Final = ("idle", "line", "write")


class Stats:
    """Counters of one server.

    :param labels: every label under which a request may be counted.
    """

    __slots__ = (
        "active",
        "bytes_received",
        "bytes_sent",
        "connections",
        "lag_counts",
        "lag_sum",
        "rejected",
        "requests",
        "resets",
        "threads",
        "timeouts",
    )

    def __init__(self, labels: Iterable[str]) -> None:
        self.active = 0
        self.connections = 0
        self.rejected: dict[str, int] = {BUSY: 0}
        self.requests = dict.fromkeys(labels, 0)
        self.timeouts = dict.fromkeys(TIMEOUTS, 0)
        self.resets = 0
        self.threads = 1
        self.bytes_received = 0
        self.bytes_sent = 0
        self.lag_counts = [0] * (len(LAG_BOUNDS) + 1)
        self.lag_sum = 0.0

    def add(self, other: "Stats") -> None:
        """Add what another has counted."""
        for name in self.__slots__:
            mine, its = getattr(self, name), getattr(other, name)
            if isinstance(mine, dict):
                for key, count in list(its.items()):  # another thread may add a key meanwhile
                    mine[key] = mine.get(key, 0) + count
            elif isinstance(mine, list):
                mine[:] = map(sum, zip(mine, its, strict=True))
            else:
                setattr(self, name, mine + its)

    def reject(self, reason: str) -> None:
        """Count a connection that was not served."""
        self.rejected[reason] = self.rejected.get(reason, 0) + 1

    def observe_lag(self, seconds: float) -> None:
        """Count one measurement of how late the loop ran."""
        self.lag_counts[bisect_left(LAG_BOUNDS, seconds)] += 1
        self.lag_sum += seconds

    def lost(self, error: Exception) -> None:
        """Count a connection lost to ``error``; one that is not the network's is logged."""
        if isinstance(error, OSError):
            self.resets += 1
        elif isinstance(error, MemoryError):
            self.reject(MEMORY)
        else:
            logger.error("a bug in the server: connection dropped", exc_info=error)
