"""What a second worker on a second CPU is worth: `epoll-workers` under BURNs.

Every crew has its turn in every round. The client runs on the second CPU, beside whoever
works there, so what it takes is shown, and no crew can have all of both.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.burn import burners
from bench.machine import Workbench, cpu_usage, disturbance
from bench.servers import Server, running

CONNECTIONS = 16
ITERATIONS = 20_000
WARM_UP = 0.2
"""Of the seconds that are then measured."""


@dataclass(frozen=True, slots=True)
class Crew:
    """A way to run `epoll-workers`."""

    cpus: int
    options: tuple[str, ...]

    def among(self, bench: Workbench) -> tuple[int, ...]:
        """Return the CPUs it runs on."""
        return (bench.server_cpu, bench.client_cpu)[: self.cpus]

    def command(self, bench: Workbench) -> list[str]:
        """Return how to start it."""
        server = [sys.executable, "-m", "variants", "epoll-workers", *self.options]
        cpus = ",".join(map(str, self.among(bench)))
        return [*server, "--cpus", cpus, "--port", "{port}", "--metrics-port", "0"]


ONE = "1 worker, 1 CPU"
CREWS = {
    ONE: Crew(1, ("--workers", "1")),
    "2 workers, 2 CPUs": Crew(2, ("--workers", "2")),
    "2 threads, 2 CPUs": Crew(2, ("--workers", "2", "--threads")),
}
JUDGED = "2 workers, 2 CPUs"
"""The crew that has a target; the threads share the GIL, and show it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one crew did in one round."""

    per_s: float
    """BURNs answered a second."""
    cpu_us: float
    """CPU microseconds of all its processes for each."""
    cpus: float
    """How many CPUs it kept busy."""
    client: float
    """Share of a CPU that the client took."""
    stolen: float
    """Share of the crew's CPUs, 0 to 1, that went to other tenants of the host."""
    others: float
    """Share of the crew's CPUs that went to other programs of this machine."""
    of_free: float
    """Share of what these two left of its CPUs that the crew kept busy."""

    @property
    def undisturbed_per_s(self) -> float:
        """What would have been answered a second if these two had left it all."""
        return self.per_s / max(1 - self.stolen - self.others, 0.01)


@contextmanager
def hired(bench: Workbench, crew: Crew) -> Iterator[Server]:
    """Start a crew; it is paused inside the block, and gone after."""
    with running(crew.command(bench), *crew.among(bench)) as server:
        server.pause()
        yield server


def take_turn(server: Server, cpus: tuple[int, ...], client_cpu: int, seconds: float) -> Turn:
    """Have a paused crew answer BURNs, alone on its CPUs but for the client; pause it again."""
    server.resume()
    try:
        with burners(server.port, CONNECTIONS, ITERATIONS) as clients:
            clients.drive(WARM_UP * seconds)
            usage, used, mine = cpu_usage(*cpus), server.cpu_s(), time.process_time()
            count, spent = clients.drive(seconds)
            usage = cpu_usage(*cpus) - usage
            used, mine = server.cpu_s() - used, time.process_time() - mine
    finally:
        server.pause()
    stolen, others = disturbance(usage, used + (mine if client_cpu in cpus else 0))
    return Turn(
        per_s=count / spent,
        cpu_us=used * 1e6 / max(count, 1),
        cpus=used / spent,
        client=mine / spent,
        stolen=stolen,
        others=others,
        of_free=used / spent / max(len(cpus) * (1 - stolen - others), 0.01),
    )
