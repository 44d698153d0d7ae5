"""All checks, one after the other."""

from collections.abc import Callable, Iterator
from typing import Final

from . import connecting, machine
from .finding import Finding
from .noise import Noise
from .system import System

#: Each looks at one thing, and is told how many connections are wanted.
CHECKS: Final[tuple[Callable[[System, int], Iterator[Finding]], ...]] = (
    connecting.descriptors,
    connecting.files,
    connecting.ports,
    connecting.port_reuse,
    connecting.queues,
    connecting.conntrack,
    machine.memory,
    machine.cpus,
    machine.quota,
    machine.tasks,
    machine.clock,
)


def examine(system: System, connections: int, noise: Noise | None = None) -> list[Finding]:
    """Find out whether ``connections`` of one process will hold, and how well.

    What can not be read is left out.
    """
    findings = [finding for check in CHECKS for finding in check(system, connections)]
    return findings + (list(machine.naps(noise)) if noise is not None else [])
