"""Every figure in one run: what is measured, in which order, and what came of it.

A round measures the floor and then each server, figure by figure, so that a busy minute of
the machine falls on all of them alike; what is reported are medians over the rounds.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from bench.bystander import SCENARIOS, Scene, play
from bench.generator import Generated, generate
from bench.machine import BenchError, Workbench
from bench.ratio import Load, Sample, Stream, Work, idle_bytes, take_turn
from bench.servers import Server, running
from bench.targets import FLOOR, check_room
from bench.workers import CREWS, Turn, hired
from bench.workers import take_turn as take_crew_turn

STREAM_BYTES = 2 * 10**9
IDLE_CONNECTIONS = 9_000
WATCH_S = 1.7
WATCH_EVERY = 2

IDLE, READY, BYSTANDER, WORKERS = "idle", "ready", "bystander", "workers"
GENERATOR = "generator"
WORKS = ("ping50", "ping1000", "pipeline64", "stream")
FIGURES = (*WORKS, IDLE, READY, BYSTANDER, WORKERS, GENERATOR)

Commands = Mapping[str, Sequence[str]]
Tell = Callable[[str], None]
Pair = tuple[Sample, Sample]
"""What the floor and a server did in the same round."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure, of which servers, for how long."""

    commands: Commands
    figures: Collection[str] = FIGURES
    rounds: int = 5
    seconds: float = 0.6

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

    pairs: dict[str, dict[str, list[Pair]]] = field(default_factory=dict)
    scenes: dict[str, dict[str, list[Scene]]] = field(default_factory=dict)
    ready_s: dict[str, list[float]] = field(default_factory=dict)
    idle_bytes: dict[str, float] = field(default_factory=dict)
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


def run(bench: Workbench, plan: Plan, results: Results, tell: Tell) -> None:
    """Measure all of the plan into the results; `tell` hears what is being done."""
    for number in range(plan.rounds):
        tell_more = prefixed(f"round {number + 1} of {plan.rounds}: ", tell)
        if {READY, *WORKS} & {*plan.figures}:
            compare(bench, plan, results, tell_more)
        if BYSTANDER in plan.figures and number % WATCH_EVERY == 0:
            watch(bench, plan, results, tell_more)
        if WORKERS in plan.figures:
            employ(bench, plan, results, tell_more)
        if GENERATOR in plan.figures:
            tell_more("the load generator")
            with results.noting("the load generator"):
                generate(bench, plan.seconds, results.generated)
    if IDLE in plan.figures:
        weigh(bench, plan, results, tell)


def prefixed(prefix: str, tell: Tell) -> Tell:
    """Return a `tell` that says something before what it is told."""
    return lambda what: tell(prefix + what)


def compare(bench: Workbench, plan: Plan, results: Results, tell: Tell) -> None:
    """Start the floor and the servers, and have them take turns at each work."""
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for name, command in {FLOOR: bench.floor, **plan.commands}.items():
            tell(f"{name}, starting")
            with results.noting(f"start, {name}"):
                servers[name] = stack.enter_context(running(command, bench.server_cpu))
                servers[name].pause()
                results.ready_s.setdefault(name, []).append(servers[name].ready_s)
        for figure, work in plan.works(bench.load).items():
            with results.noting(f"{figure}, {FLOOR}"):
                take_turns(figure, work, servers, results, tell)


def take_turns(
    figure: str, work: Work, servers: Mapping[str, Server], results: Results, tell: Tell
) -> None:
    """Have the floor do the work, then each server. Raises BenchError if the floor does not."""
    if FLOOR not in servers:
        raise BenchError("it does not run, so there is nothing to compare with")
    tell(f"{figure}, {FLOOR}")
    base = take_turn(servers[FLOOR], work)
    for name in [name for name in servers if name != FLOOR]:
        tell(f"{figure}, {name}")
        with results.noting(f"{figure}, {name}"):
            check_room(name, work.connections)
            pair = (base, take_turn(servers[name], work))
            results.pairs.setdefault(figure, {}).setdefault(name, []).append(pair)


def watch(bench: Workbench, plan: Plan, results: Results, tell: Tell) -> None:
    """Play every scenario with every server, each freshly started."""
    for scenario, name, command in scenes_of(plan.commands):
        tell(f"bystander beside {scenario}, {name}")
        with results.noting(f"bystander beside {scenario}, {name}"):
            check_room(name, SCENARIOS[scenario].clients + 1)
            scene = play(bench, command, scenario, WATCH_S)
            results.scenes.setdefault(scenario, {}).setdefault(name, []).append(scene)
            results.ready_s.setdefault(name, []).append(scene.ready_s)


def scenes_of(commands: Commands) -> Iterable[tuple[str, str, Sequence[str]]]:
    """Pair every scenario with every server."""
    return (
        (scenario, name, command) for scenario in SCENARIOS for name, command in commands.items()
    )


def weigh(bench: Workbench, plan: Plan, results: Results, tell: Tell) -> None:
    """Hold idle connections on each server, freshly started."""
    for name, command in plan.commands.items():
        tell(f"{IDLE_CONNECTIONS} idle connections, {name}")
        with results.noting(f"idle, {name}"):
            check_room(name, IDLE_CONNECTIONS)
            with running(command, bench.server_cpu) as server:
                results.idle_bytes[name] = idle_bytes(server, IDLE_CONNECTIONS)


def employ(bench: Workbench, plan: Plan, results: Results, tell: Tell) -> None:
    """Start every crew of workers, and have them take turns at BURNs."""
    turns: dict[str, Turn] = {}
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for name, crew in CREWS.items():
            tell(f"{name}, starting")
            with results.noting(f"workers, start of {name}"):
                servers[name] = stack.enter_context(hired(bench, crew))
        for name, server in servers.items():
            tell(f"workers, {name}")
            with results.noting(f"workers, {name}"):
                cpus = CREWS[name].among(bench)
                turns[name] = take_crew_turn(server, cpus, bench.client_cpu, plan.seconds)
    results.turns.append(turns)
