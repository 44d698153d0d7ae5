"""How quiet the machine is: measured, since nothing says it."""

import time
from dataclasses import dataclass
from typing import Final

from .system import System

#: Seconds it is listened to, and of each nap.
LISTEN: Final = 0.5
NAP: Final = 0.001


@dataclass(frozen=True, slots=True)
class Noise:
    """What was heard.

    :param late_p99: seconds by which one in a hundred naps took longer than it was to.
    :param late_max: the same of the longest.
    :param stolen: the share of CPU time that other tenants of the host had; ``None``: unknown.
    """

    late_p99: float
    late_max: float
    stolen: float | None


def listen_to(system: System, seconds: float = LISTEN) -> Noise:
    """Take naps for some time, and see how late they end."""
    before, late = _ticks(system), []
    end = time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        time.sleep(NAP)
        late.append(time.monotonic() - begun - NAP)
    late.sort()
    stolen = stolen_between(before, _ticks(system))
    return Noise(late[int(len(late) * 0.99)], late[-1], stolen)


def stolen_between(before: list[int], after: list[int]) -> float | None:
    """The share of time stolen, from two first lines of ``/proc/stat`` (proc_stat(5))."""
    if len(before) < 8 or len(after) < 8:
        return None
    spent = [new - old for old, new in zip(before[:8], after[:8], strict=True)]
    return max(spent[7], 0) / sum(spent) if sum(spent) > 0 else 0.0


def _ticks(system: System) -> list[int]:
    lines = system.text("proc/stat").splitlines()
    return [int(word) for word in lines[0].split()[1:]] if lines else []
