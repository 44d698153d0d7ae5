"""The generator's own ceiling: loads that a null server is given, and who was the bottleneck."""

import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from .agents import Job
from .conducting import CannotRun, conduct
from .counts import Tally
from .engine import Options
from .null_server import NullServer
from .plan import Plan, Profile, Stage, Think
from .results import Result
from .views import Silent

CLIENTS: Final = Profile.constant(50, 1)
RATE: Final = 20_000
CROWD: Final = 1000
#: Connections made at the most. The ports of those that are closed are not free for a minute.
CONNECTS: Final = 40_000
SOURCES: Final = tuple(f"127.0.0.{n}" for n in range(2, 10))
#: Seconds with one client, and the least with the crowd.
ALONE, TOGETHER = 0.3, 1.0
#: The share of a CPU from which on somebody is the bottleneck.
BUSY: Final = 0.8


class Scales(Silent):
    """A view that weighs an agent again and again.

    :param other: a process of ours that is none.
    """

    interval = 0.05

    def __init__(self, other: int) -> None:
        self._other = other
        #: How many clients were connected, and the agent's bytes in memory.
        self.weights: list[tuple[int, int]] = []

    def update(self, tally: Tally, done: float | None) -> None:  # noqa: ARG002 - as every view
        """Weigh it."""
        for child in multiprocessing.active_children():
            if child.pid != self._other and (weight := _resident(child.pid)):
                self.weights.append((tally.connected, weight))

    @property
    def each(self) -> float:
        """Bytes a connection takes: what many take more than one; 0 if that was not seen."""
        most = max((connected for connected, _ in self.weights), default=0)
        before = takewhile(lambda one: one[0] <= 1, self.weights)
        alone = [weight for _, weight in before]
        if not alone or most < 2:
            return 0.0
        together = next(weight for connected, weight in reversed(self.weights) if connected == most)
        return max(together - alone[-1], 0) / (most - 1)


Figures = Callable[[Result, Scales], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Part:
    """One load, and what of it is of interest.

    :param figures: those of interest, by name, each with its unit in it.
    """

    name: str
    plan: Plan
    figures: Figures
    options: Options = Options()  # noqa: RUF009 - it is frozen


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of a part.

    :param generator: the share of a CPU that the generator used, ``server`` the null server.
    """

    name: str
    figures: dict[str, float]
    generator: float
    server: float
    result: Result

    @property
    def bottleneck(self) -> str:
        """Who could do no more; neither, where both had time left."""
        if max(self.generator, self.server) < BUSY:
            return "neither"
        return "generator" if self.generator >= self.server else "null server"

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes."""
        return {
            "name": self.name,
            "figures": self.figures,
            "generator_cpu": self.generator,
            "server_cpu": self.server,
            "bottleneck": self.bottleneck,
            "result": self.result.as_json(),
        }


def parts(seconds: float) -> tuple[Part, ...]:
    """All there is to test, each for so long."""
    together = max(seconds, TOGETHER)
    coming = Profile((Stage(ALONE, 1, 1), Stage(together, CROWD, CROWD)))
    return (
        Part("closed loop", Plan(clients=CLIENTS, seconds=seconds), _requests),
        Part("pipeline 16", Plan(clients=CLIENTS, seconds=seconds, pipeline=16), _requests),
        Part(
            "connecting",
            Plan(clients=CLIENTS, seconds=seconds, requests=CONNECTS),
            lambda result, _: {"connects_per_s": result.tally.connections / result.elapsed},
            Options(reconnect_every=1, sources=SOURCES),
        ),
        Part(
            "1,000 clients",
            Plan(clients=coming, seconds=ALONE + together, think=Think(TOGETHER / 2)),
            lambda _, scales: {"memory_bytes_each": scales.each},
        ),
        Part(
            "open loop",
            Plan(clients=CLIENTS, seconds=seconds, rate=Profile.constant(RATE, seconds)),
            _open_loop,
        ),
    )


def measure(part: Part, server: NullServer, cpus: tuple[int, ...]) -> Tested:
    """Load the server as ``part`` has it, from these CPUs.

    :raises CannotRun: if it did not come to a run.
    :raises KeyboardInterrupt: if nothing can be said of it, as it was interrupted.
    """
    scales, before = Scales(server.pid), server.busy_s
    job = Job(part.plan, server.target, part.options, cpus)
    result = conduct(job, {"part": part.name, "target": str(server.target)}, view=scales)
    if not result.elapsed and result.interrupted:
        raise KeyboardInterrupt  # twice: there is nothing but counts
    if not result.elapsed:
        raise CannotRun("the generator was lost")
    used = (server.busy_s - before) / result.elapsed
    busy = max(agent.vitals.busy for agent in result.agents if agent.vitals)
    figures = part.figures(result, scales)
    return Tested(part.name, figures, min(busy, 1.0), min(used, 1.0), result)


def _requests(result: Result, _: Scales) -> dict[str, float]:
    return {"requests_per_s": result.rate}


def _open_loop(result: Result, _: Scales) -> dict[str, float]:
    return {
        "planned_per_s": RATE,
        "requests_per_s": result.rate,
        "lag_p99_s": result.tally.lag.percentile(99),
    }


def _resident(pid: int | None) -> int:
    """Bytes a process has in memory; 0 if it has gone (proc_pid_statm(5))."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
