"""What is compared: data, and the order in which it is measured. Nothing is run here."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from loadgen.plan import Mix
from loadgen.scenarios import SCENARIOS, Scenario

from .contestants import Contestant
from .pinning import Cpus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Workload:
    """What is sent, and whether at a rate.

    :param rate: requests a second of all connections together, sent when they are due; 0: a
        closed loop, in which each connection sends its next one when it has its reply.
    """

    mix: Mix
    rate: float = 0.0

    def __str__(self) -> str:
        return f"{self.mix} at {self.rate:g}/s" if self.rate else str(self.mix)


#: What is sent, by name. The rate is one that any generator keeps: a closed loop of PINGs is
#: often as fast as the generator, and tells little of the server.
WORKLOADS: Final[Mapping[str, Workload]] = {
    "ping": Workload(Mix.parse("PING")),
    "paced": Workload(Mix.parse("PING"), rate=2000.0),
    "burn": Workload(Mix.parse("BURN 300")),
    "mix": Workload(Mix.parse("PING=80,WAIT 0.05=10,BURN 300=9,STREAM 4096=1")),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A contestant's place in a block.

    :param again: whether it is the reference's second one there: the A/A pair.
    """

    contestant: Contestant
    again: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """A cell of "who scales?": a workload on so many connections."""

    workload: str
    connections: int


@dataclass(frozen=True, slots=True)
class Block:
    """What is measured one after the other, so that the machine is the same for all.

    :param number: of the round, from 0.
    :param cell: a load; or a scenario, for "who stays responsive?".
    """

    number: int
    cell: Load | Scenario
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """What is to be measured.

    :param against: the name of the contestant all others are compared with.
    :param seconds: how long each load lasts; ``watch_seconds``: how long a bystander looks on.
    :param rounds: of loads; ``watch_rounds``: of scenarios.
    :param rate: the bystander's PINGs a second.
    :param timeout: seconds after which a request is given up.
    :param memory_limit: bytes of address space that a server may have.
    :param service: what is spoken, as MODULE:NAME; empty: PING, WAIT, BURN, STREAM.
    :param seed: of the order.
    """

    contestants: tuple[Contestant, ...]
    against: str
    cpus: Cpus
    workloads: Mapping[str, Workload]
    connections: tuple[int, ...] = (1, 10, 100, 1000, 10_000)
    scenarios: tuple[Scenario, ...] = tuple(SCENARIOS.values())
    rounds: int = 5
    watch_rounds: int = 1
    seconds: float = 0.5
    watch_seconds: float = 2.0
    rate: float = 200.0
    timeout: float = 2.0
    memory_limit: int | None = None
    service: str = ""
    seed: int = 0

    @property
    def loads(self) -> list[Load]:
        """The cells of "who scales?"."""
        return [
            Load(name, number)
            for name, workload in self.workloads.items()
            for number in self._connections_of(workload)
        ]

    def blocks(self) -> Iterator[Block]:
        """Yield what is to be measured, in order: scenarios first, then rounds of loads.

        In each block contestants come in an order of its own, and in each round of loads so do
        these: what drifts is nobody's advantage.
        """
        order = random.Random(self.seed)  # noqa: S311 - nobody is to guess anything
        for number in range(self.watch_rounds):
            for scenario in self.scenarios:
                yield Block(number, scenario, self._entries(order))
        for number in range(self.rounds):
            for load in _shuffled(order, self.loads):
                yield Block(number, load, self._entries(order, pair=True))

    @property
    def measurements(self) -> int:
        """How many there are in all blocks."""
        return sum(len(block.entries) for block in self.blocks())

    def without(self, *, scenarios: bool = False, loads: bool = False) -> "Study":
        """The same, with one question less."""
        return replace(
            self,
            scenarios=() if scenarios else self.scenarios,
            workloads={} if loads else self.workloads,
        )

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes; docs/compare.md describes it."""
        return {
            "contestants": [one.as_json() for one in self.contestants],
            "against": self.against,
            "cpus": self.cpus.as_json(),
            "workloads": {name: str(one) for name, one in self.workloads.items()},
            "connections": list(self.connections),
            "scenarios": [
                {"name": one.name, "title": one.title, "clients": one.clients}
                for one in self.scenarios
            ],
            "rounds": self.rounds,
            "watch_rounds": self.watch_rounds,
            "seconds": self.seconds,
            "watch_seconds": self.watch_seconds,
            "rate_per_s": self.rate,
            "timeout_s": self.timeout,
            "memory_limit_bytes": self.memory_limit,
            "service": self.service,
            "seed": self.seed,
        }

    def _connections_of(self, workload: Workload) -> tuple[int, ...]:
        """All; the middle one at a rate, which is the same load however many share it."""
        if not workload.rate:
            return self.connections
        return tuple(sorted(self.connections)[(len(self.connections) - 1) // 2 :][:1])

    def _entries(self, order: random.Random, *, pair: bool = False) -> tuple[Entry, ...]:
        entries = [Entry(one) for one in self.contestants]
        if pair:
            entries += [Entry(one, again=True) for one in self.contestants
                        if one.name == self.against]  # fmt: skip
        return tuple(_shuffled(order, entries))


def _shuffled(order: random.Random, items: Sequence[T]) -> list[T]:
    return order.sample(items, len(items))
