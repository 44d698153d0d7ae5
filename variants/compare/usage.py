"""What a server uses, as Linux tells it (proc(5)): CPU, memory, threads, switches."""

import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

#: Clock ticks that the kernel counts CPU time in.
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
#: States of a process that has ended and is still in the table, without any memory (proc(5)).
_ENDED: Final = "ZX"
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_SWITCHES: Final = re.compile(r"^(non)?voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)
_PRIVATE: Final = re.compile(r"^Private_Dirty:\s*(\d+) kB", re.MULTILINE)
#: CPU time of all threads of a process (posix-cpu-timers.h: CPUCLOCK_SCHED).
_CLOCK_OF_PROCESS: Final = 2


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A server and its children at one instant.

    :param at: seconds, on the monotonic clock.
    :param cpu_s: CPU seconds so far, to the nanosecond; its split into ``user_s`` and
        ``system_s`` is to clock ticks.
    :param voluntary: switches of threads that are there now, as they had to wait;
        ``involuntary``: as others were to have the CPU.
    :param private_bytes: see `private_bytes`.
    """

    at: float = 0.0
    cpu_s: float = 0.0
    user_s: float = 0.0
    system_s: float = 0.0
    voluntary: int = 0
    involuntary: int = 0
    threads: int = 0
    resident_bytes: int = 0
    virtual_bytes: int = 0
    private_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server used between two instants, and what it had at the second one.

    :param private_bytes: see `Snapshot`; ``unloaded_bytes``: before it had any client.
    :param connections: how many it had when it had most.
    """

    seconds: float
    cpu_s: float
    user_s: float
    system_s: float
    voluntary: int
    involuntary: int
    threads: int
    resident_bytes: int
    virtual_bytes: int
    private_bytes: int
    unloaded_bytes: int
    connections: int

    @classmethod
    def between(
        cls, begin: Snapshot, end: Snapshot, unloaded_bytes: int, connections: int
    ) -> "Usage":
        """Take the difference."""
        spent = ("cpu_s", "user_s", "system_s", "voluntary", "involuntary")
        had = ("threads", "resident_bytes", "virtual_bytes", "private_bytes")
        return cls(
            seconds=end.at - begin.at,
            unloaded_bytes=unloaded_bytes,
            connections=connections,
            **{name: max(getattr(end, name) - getattr(begin, name), 0) for name in spent},
            **{name: getattr(end, name) for name in had},
        )

    @property
    def cpus(self) -> float:
        """How many CPUs it kept busy."""
        return self.cpu_s / self.seconds if self.seconds else 0.0

    @property
    def user_share(self) -> float:
        """The share of its CPU time that was not the kernel's."""
        total = self.user_s + self.system_s
        return self.user_s / total if total else 0.5

    @property
    def bytes_per_connection(self) -> float | None:
        """Private memory for each; ``None`` where they are too few to tell."""
        if self.connections < 100 or not self.private_bytes:
            return None
        return max(self.private_bytes - self.unloaded_bytes, 0) / self.connections

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes."""
        return asdict(self)


def snapshot(pid: int) -> Snapshot:
    """Look at a process and its descendants; those that are gone count for nothing."""
    at = time.monotonic()
    each = [_of_process(one) for one in family(pid)]
    totals = {
        name: sum(getattr(one, name) for one in each)
        for name in Snapshot.__dataclass_fields__
        if name != "at"
    }
    return Snapshot(at=at, **totals)


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for one in Path("/proc").iterdir():
        if one.name.isdecimal() and (fields := _stat(int(one.name))):
            children[int(fields[1])].append(int(one.name))
    found = [pid]
    for parent in found:  # grows while we walk it
        found += children[parent]
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time that processes have used so far, their threads that have ended included."""
    total = 0.0
    for pid in pids:
        with suppress(OSError):
            total += time.clock_gettime((~pid << 3) | _CLOCK_OF_PROCESS)
    return total


def private_bytes(pids: Iterable[int]) -> int:
    """Resident memory of processes that is nobody else's, and not as it is in a file.

    What is (Private_Clean) becomes somebody else's, too, once another Python has begun.
    """
    texts = [_read(f"/proc/{pid}/smaps_rollup") for pid in pids]
    return sum(int(kib) * 1024 for text in texts for kib in _PRIVATE.findall(text))


def _of_process(pid: int) -> Snapshot:
    fields = _stat(pid)
    if not fields or fields[0] in _ENDED:
        return Snapshot()
    involuntary, voluntary = _switches(pid)
    return Snapshot(
        cpu_s=cpu_seconds([pid]),
        user_s=int(fields[11]) / TICKS_PER_S,
        system_s=int(fields[12]) / TICKS_PER_S,
        voluntary=voluntary,
        involuntary=involuntary,
        threads=int(fields[17]),
        virtual_bytes=int(fields[20]),
        resident_bytes=int(fields[21]) * _PAGE,
        private_bytes=private_bytes([pid]),
    )


def _stat(pid: int) -> list[str]:
    """The fields of proc_pid_stat(5) from the third on; none if there is no such process."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _switches(pid: int) -> tuple[int, int]:
    """Involuntary and voluntary switches of the threads there are."""
    counts = {"non": 0, "": 0}
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for kind, count in _SWITCHES.findall(_read(f"{task}/status")):
                counts[kind] += int(count)
    return counts["non"], counts[""]


def _read(path: str) -> str:
    """The text of a file of ``/proc``; none where the process has ended."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""
