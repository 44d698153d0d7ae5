"""What to measure, and what came of it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.bystander import Scene
from bench.generator import Generated
from bench.intake import Intake
from bench.machine import BenchError
from bench.ratio import Load, Sample, Stream, Work
from bench.workers import Turn

STREAM_BYTES = 2 * 10**9

PINGS = ("ping50", "ping1000", "pipeline64")
"""What the bare protocol of a runtime can do too."""
WORKS = (*PINGS, "stream")
IDLE, INTAKE, READY, BYSTANDER = "idle", "intake", "ready", "bystander"
WORKERS, GENERATOR = "workers", "generator"
FIGURES = (*WORKS, IDLE, INTAKE, READY, BYSTANDER, WORKERS, GENERATOR)

Commands = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Round:
    """What the floor, a server and the bare protocol of its runtime did in the same round."""

    floor: Sample
    server: Sample
    bare: Sample | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure, of which servers, for how long."""

    commands: Commands
    figures: Collection[str] = FIGURES
    rounds: int = 5
    seconds: float = 0.6
    bare: Commands = field(default_factory=dict)
    """The bare protocols of the runtimes, by the names of the servers they stand beside."""

    def wants(self, *figures: str) -> bool:
        """Tell whether any of these figures is to be measured."""
        return not {*figures}.isdisjoint(self.figures)

    def works(self, load: str) -> dict[str, Work]:
        """Return the figures that are ratios to the floor; `load` is the load program."""
        every: dict[str, Work] = {
            "ping50": Load(load, 50, seconds=self.seconds),
            "ping1000": Load(load, 1000, seconds=self.seconds),
            "pipeline64": Load(load, 50, pipeline=64, seconds=self.seconds),
            "stream": Stream(STREAM_BYTES),
        }
        return {figure: every[figure] for figure in WORKS if figure in self.figures}


@dataclass(slots=True)
class Results:
    """What was measured so far: by figure or scenario, then server, then round."""

    speed: dict[str, dict[str, list[Round]]] = field(default_factory=dict)
    scenes: dict[str, dict[str, list[Scene]]] = field(default_factory=dict)
    ready_s: dict[str, list[float]] = field(default_factory=dict)
    idle_bytes: dict[str, float] = field(default_factory=dict)
    intakes: dict[str, list[Intake]] = field(default_factory=dict)
    turns: list[dict[str, Turn]] = field(default_factory=list)
    """Of each round, what the crews of workers did."""
    generated: Generated = field(default_factory=Generated)
    failures: list[str] = field(default_factory=list)

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Keep what cannot be measured as a failure, told once for all rounds, and go on."""
        try:
            yield
        except (BenchError, OSError) as error:
            failure = f"{what}: {error}"
            if failure not in self.failures:
                self.failures.append(failure)
