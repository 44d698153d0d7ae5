"""How the generator itself does: whether it had CPU enough to be believed."""

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Vitals:
    """What one agent used while it measured.

    :param cpu_s: CPU seconds, user and system, while it sent.
    :param waited_s: seconds of these in which it could have run, and others had the CPU.
    :param sending_s: seconds from the begin to the last request, or to the planned end.
    :param elapsed_s: seconds from the begin to the last reply; ``sending_s`` at least.
    :param memory_bytes: resident, at the most; 0 if unknown.
    :param connecting_s: seconds until all had connected who were there from the beginning.
    """

    cpu_s: float
    waited_s: float
    sending_s: float
    elapsed_s: float
    memory_bytes: int
    connecting_s: float = 0.0

    @property
    def busy(self) -> float:
        """The share of one CPU that it used, or wanted to."""
        return (self.cpu_s + self.waited_s) / self.sending_s if self.sending_s else 0.0


class Watch:
    """Takes the time, and the CPU time, from a begin to an end."""

    def __init__(self) -> None:
        self._begin, self._cpu, self._wait = time.monotonic(), time.process_time(), _waited()
        self._last = self._begin
        self._vitals: Vitals | None = None

    def stop(self) -> None:
        """Nothing more is sent."""
        self.reply()
        self._vitals = Vitals(
            cpu_s=time.process_time() - self._cpu,
            waited_s=_waited() - self._wait,
            sending_s=self._last - self._begin,
            elapsed_s=0.0,
            memory_bytes=_memory(),
        )

    def reply(self) -> None:
        """Something was answered."""
        self._last = time.monotonic()

    @property
    def vitals(self) -> Vitals:
        """What there is between begin and end."""
        if self._vitals is None:
            self.stop()
        assert self._vitals is not None
        return replace(self._vitals, elapsed_s=self._last - self._begin)


def _memory() -> int:
    """Bytes resident, at the most (proc_pid_status(5)); 0 if unknown.

    getrusage(2) has the peak of a parent, too.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # there may be no descriptor left
        return 0
    found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _waited() -> float:
    """Seconds this thread has spent waiting for a CPU (proc_schedstat(5)); 0 if unknown."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
