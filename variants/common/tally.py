"""Counting in several threads: each for itself, added up when somebody asks.

``stats.requests += 1`` is not atomic, and a lock for each request would be what everybody
waits for.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dumb_async.hosting import Stats, registry_for

from .host import Host


class Tally:
    """The counters of a host whose threads count for themselves."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._total = host.stats
        self._total.threads = 0  # each thread adds itself
        self._live: set[Stats] = set()
        self._lock = threading.Lock()
        host.registry = registry_for(self.total)

    @contextmanager
    def counting(self) -> Iterator[Stats]:
        """Counters for the calling thread alone, for as long as the block lasts."""
        stats = Stats(self._total.requests)
        with self._lock:
            self._live.add(stats)
        try:
            yield stats
        finally:
            with self._lock:
                stats.threads = 0
                self._live.remove(stats)
                self._total.add(stats)

    def total(self) -> Stats:
        """What all of them have counted, those that have ended included."""
        total = Stats(self._total.requests)
        total.threads = 0
        with self._lock:
            total.add(self._total)
            for stats in self._live:
                total.add(stats)
        total.active = self._host.count()
        return total
