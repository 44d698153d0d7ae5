"""What else went on: whether a machine was anybody else's while it was measured."""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from .pinning import Cpus
from .usage import TICKS_PER_S, cpu_seconds, family

#: The share of CPU time from which on a round counts as disturbed: stolen by other guests of
#: the host, or used by other programs on the server's CPUs. Below are clock ticks.
STOLEN: Final = 0.05
OTHERS: Final = 0.10
#: The share of the time in which somebody waited for memory or for a disk.
PRESSURE: Final = 0.05

_RESOURCES: Final = ("cpu", "memory", "io")


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What was noticed while something was measured, as shares from 0 to 1.

    :param stolen: of the time of our CPUs (steal in proc_stat(5)).
    :param others: of the time of the server's CPUs, by programs that are not it.
    :param pressure: of the time, in which somebody waited for "cpu", "memory" or "io" (some,
        in Documentation/accounting/psi.rst); "cpu" is told, and doubts nothing: whoever has
        threads makes it himself. Empty where the kernel does not tell.
    """

    stolen: float = 0.0
    others: float = 0.0
    pressure: dict[str, float] = field(default_factory=dict)

    @property
    def reasons(self) -> list[str]:
        """Why the measurement was disturbed; none if it was not."""
        return list(self._reasons())

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes."""
        return {"stolen": self.stolen, "others": self.others, "pressure": self.pressure}

    def _reasons(self) -> Iterator[str]:
        if self.stolen > STOLEN:
            yield f"other guests of the host took {self.stolen:.0%} of the CPUs (steal)"
        if self.others > OTHERS:
            yield f"other programs took {self.others:.0%} of the server's CPUs"
        for resource in ("memory", "io"):
            if (share := self.pressure.get(resource, 0.0)) > PRESSURE:
                yield f"{resource} was short for {share:.0%} of the time (pressure)"


class Watch:
    """Notices what goes on from its making until asked.

    :param pid: of the server, whose own work is no disturbance.
    """

    def __init__(self, cpus: Cpus, pid: int) -> None:
        self._cpus, self._pid = cpus, pid
        self._begin = self._look()

    def end(self) -> Disturbance:
        """Say what there was."""
        begin, end = self._begin, self._look()
        seconds = max(end["at"] - begin["at"], 1e-6)
        spent = {name: max(end[name] - begin.get(name, 0.0), 0.0) for name in end}
        others = (spent["worked"] - spent["own"]) / (seconds * len(self._cpus.server))
        return Disturbance(
            stolen=spent["stolen"] / (seconds * len(self._cpus.server + self._cpus.load)),
            others=max(others, 0.0),
            pressure={name: spent[name] / seconds for name in _RESOURCES if name in spent},
        )

    def _look(self) -> dict[str, float]:
        stat = Path("/proc/stat").read_text()
        server, both = self._cpus.server, self._cpus.server + self._cpus.load
        return {
            "at": time.monotonic(),
            "worked": sum(sum(times[:3]) for times in cpu_times(stat, server)),
            "own": cpu_seconds(family(self._pid)),
            "stolen": sum(times[7] for times in cpu_times(stat, both)),
            **pressures(),
        }


def cpu_times(stat: str, cpus: Collection[int]) -> list[Sequence[float]]:
    """Read the lines of these CPUs in the text of ``/proc/stat``: seconds of each kind."""
    names = {f"cpu{cpu}" for cpu in cpus}
    lines = [line.split() for line in stat.splitlines() if line.strip()]
    ours = [line[1:] for line in lines if line[0] in names]
    return [[int(ticks) / TICKS_PER_S for ticks in line] for line in ours]


def pressures() -> dict[str, float]:
    """Seconds in which somebody waited so far, by resource; none where it is not told."""
    found = {}
    for resource in _RESOURCES:
        try:
            text = Path(f"/proc/pressure/{resource}").read_text()
        except OSError:
            continue
        found[resource] = int(text.partition("total=")[2].split()[0]) / 1e6
    return found
