"""How the generator itself does: whether it had CPU enough to be believed."""

import resource
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Vitals:
    """What one agent used while it measured.

    :param cpu_s: CPU seconds, user and system.
    :param waited_s: seconds in which it could have run, and others had the CPU.
    :param elapsed_s: seconds from the begin to the last reply, or to the planned end if that
        was later.
    :param memory_bytes: resident, at the most.
    :param connecting_s: seconds until all had connected who were there from the beginning.
    """

    cpu_s: float
    waited_s: float
    elapsed_s: float
    memory_bytes: int
    connecting_s: float = 0.0

    @property
    def busy(self) -> float:
        """The share of one CPU that it used, or wanted to."""
        return (self.cpu_s + self.waited_s) / self.elapsed_s if self.elapsed_s else 0.0


class Watch:
    """Takes the time, and the CPU time, from a begin to an end."""

    def __init__(self) -> None:
        self._begin, self._cpu, self._wait = time.monotonic(), time.process_time(), _waited()
        self._vitals: Vitals | None = None

    def stop(self) -> None:
        """The end, for now: a later one counts instead."""
        self._vitals = Vitals(
            cpu_s=time.process_time() - self._cpu,
            waited_s=_waited() - self._wait,
            elapsed_s=time.monotonic() - self._begin,
            memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )

    @property
    def vitals(self) -> Vitals:
        """What there is between begin and end."""
        if self._vitals is None:
            self.stop()
        assert self._vitals is not None
        return self._vitals


def _waited() -> float:
    """Seconds this thread has spent waiting for a CPU (proc_schedstat(5)); 0 if unknown."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
