"""Which CPUs the server has, and which the load."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dumb_async.hosting import read_cpus, require_cpus

_TOPOLOGY: Final = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


@dataclass(frozen=True, slots=True)
class Cpus:
    """The CPUs of the server, and those of the load and of whoever measures."""

    server: tuple[int, ...]
    load: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> "Cpus":
        """Read ``0:1`` or ``0-1:2,4-5``: the server's, then the load's.

        :raises ValueError: if it is not that, or they have one in common.
        """
        server, colon, load = text.partition(":")
        if not colon:
            raise ValueError(f"{text!r} is not CPUs as SERVER:LOAD, such as 0:1 or 0-1:2,4-5")
        cpus = cls(read_cpus(server), read_cpus(load))
        if both := {*cpus.server} & {*cpus.load}:
            raise ValueError(f"CPU {min(both)} is the server's and the load's: they would compete")
        require_cpus({*cpus.server, *cpus.load})
        return cpus

    @classmethod
    def choose(cls) -> "Cpus":
        """One for the server; for the load all others that are not the other half of its core.

        :raises ValueError: if there is only one.
        """
        there = sorted(os.sched_getaffinity(0))
        if len(there) < 2:
            raise ValueError("two CPUs are needed, one for the server and one for the load")
        server, rest = there[0], there[1:]
        others = [cpu for cpu in rest if cpu not in _siblings(server)]
        return cls((server,), tuple(others or rest))

    @property
    def share_a_core(self) -> bool:
        """Whether a server's and a load's CPU are two halves of one core."""
        return any(_siblings(cpu) & {*self.load} for cpu in self.server)

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes."""
        return {
            "server": list(self.server),
            "load": list(self.load),
            "share_a_core": self.share_a_core,
        }


def _siblings(cpu: int) -> set[int]:
    """The CPUs of the same core; none if that is unknown."""
    try:
        return {*read_cpus(Path(_TOPOLOGY.format(cpu)).read_text().strip())}
    except (OSError, ValueError):
        return set()
