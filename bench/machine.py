"""The machine: two CPUs to keep apart, the programs in C, what ``/proc`` tells of a process.

Linux only: affinity and ``/proc`` are what makes the figures repeatable.
"""

import os
import resource
import shutil
import signal
import statistics
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CPUS_NEEDED = 2
HERE = Path(__file__).resolve().parent


class BenchError(Exception):
    """Something cannot be measured; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Workbench:
    """The machine made ready: a CPU for the server, one for its clients, the programs in C."""

    server_cpu: int
    client_cpu: int
    floor: tuple[str, ...]
    load: str


@contextmanager
def workbench() -> Iterator[Workbench]:
    """Claim two CPUs, raise what limits us, build the programs; what was built is gone after.

    A SIGTERM from here on ends the block as Ctrl-C does. Raises BenchError where a tool or
    the second CPU is missing.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for tool in ("gcc", "taskset"):
        if shutil.which(tool) is None:
            raise BenchError(f"{tool} is needed to measure, and it is not installed")
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < CPUS_NEEDED:
        raise BenchError("two CPUs are needed to measure, one for the server, one for its clients")
    os.sched_setaffinity(0, {cpus[1]})
    raise_limits()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        floor, load = build("floor", Path(name)), build("load", Path(name))
        yield Workbench(cpus[0], cpus[1], (floor, "{port}"), load)


def raise_limits() -> None:
    """Allow as many descriptors as we may, and ask to run before the machine's other work."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # "unlimited" may be over what the kernel takes
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with suppress(OSError):  # the figures are then as noisy as the machine is busy
        os.setpriority(os.PRIO_PROCESS, 0, -10)


def build(name: str, into: Path) -> str:
    """Compile one of our C files and return the program's path."""
    program = str(into / name)
    command = ["gcc", "-O2", "-o", program, str(HERE / f"{name}.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "no message").splitlines()[0]
        raise BenchError(f"gcc could not build {name}.c: {reason}")
    return program


@dataclass(frozen=True, slots=True)
class Usage:
    """How a CPU has spent its time so far, in clock ticks."""

    total: int
    worked: int
    """By processes, in user and kernel mode."""
    stolen: int
    """By other tenants of the host."""

    def __sub__(self, earlier: "Usage") -> "Usage":
        """Return what happened since an earlier reading."""
        return Usage(
            self.total - earlier.total, self.worked - earlier.worked, self.stolen - earlier.stolen
        )


def cpu_usage(*cpus: int) -> Usage:
    """Read the lines of these CPUs in ``/proc/stat``, see proc(5), and add them up."""
    return usage_in(Path("/proc/stat").read_text(), cpus)


def usage_in(stat: str, cpus: Collection[int]) -> Usage:
    """Add up the lines of these CPUs in the text of ``/proc/stat``."""
    names = {f"cpu{cpu}" for cpu in cpus}
    lines = [line.split() for line in stat.splitlines()]
    each = [[int(field) for field in line[1:]] for line in lines if line and line[0] in names]
    ticks = [sum(column) for column in zip(*each, strict=True)]
    return Usage(total=sum(ticks[:8]), worked=sum(ticks[:3]), stolen=ticks[7])


def disturbance(spent: Usage, used_s: float) -> tuple[float, float]:
    """Return the shares of the CPU time that other tenants and other programs took.

    :param used_s: seconds of it that are accounted for: those of what is measured.
    """
    total = max(spent.total, 1)
    return spent.stolen / total, max(spent.worked - used_s * TICKS_PER_S, 0) / total


def median(values: Sequence[float]) -> float:
    """Return the median, and 0 for nothing measured."""
    return statistics.median(values) if values else 0.0
