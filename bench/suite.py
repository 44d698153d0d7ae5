"""Every figure in one run, and in which order.

A round measures the floor and then each server, figure by figure, so that a busy minute of
the machine falls on all of them alike; what is reported are medians over the rounds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from bench.bystander import SCENARIOS, play
from bench.generator import generate
from bench.intake import CLIENTS, take_in
from bench.machine import BenchError, Workbench
from bench.plan import (
    BYSTANDER,
    GENERATOR,
    IDLE,
    INTAKE,
    PINGS,
    READY,
    WORKERS,
    WORKS,
    Commands,
    Plan,
    Results,
    Round,
)
from bench.ratio import Sample, Work, idle_bytes, take_turn
from bench.servers import Server, check_descriptors, running
from bench.targets import FLOOR, check_room
from bench.workers import CREWS, Turn, hired
from bench.workers import take_turn as take_crew_turn

IDLE_CONNECTIONS = 9_000
WATCH_S = 1.7
WATCH_EVERY = 2

Tell = Callable[[str], None]


def run(bench: Workbench, plan: Plan, results: Results, tell: Tell) -> None:
    """Measure all of the plan into the results; `tell` hears what is being done."""
    for number in range(plan.rounds):
        tell_more = prefixed(f"round {number + 1} of {plan.rounds}: ", tell)
        if plan.wants(READY, *WORKS):
            compare(bench, plan, results, tell_more)
        if plan.wants(INTAKE):
            admit(bench, plan, results, tell_more)
        if plan.wants(BYSTANDER) and number % WATCH_EVERY == 0:
            watch(bench, plan, results, tell_more)
        if plan.wants(WORKERS):
            employ(bench, plan, results, tell_more)
        if plan.wants(GENERATOR):
            with step("the load generator", results, tell_more):
                generate(bench, plan.seconds, results.generated)
    if plan.wants(IDLE):
        weigh(bench, plan, results, tell)


def prefixed(prefix: str, tell: Tell) -> Tell:
    """Return a `tell` that says something before what it is told."""
    return lambda what: tell(prefix + what)


@contextmanager
def step(what: str, results: Results, tell: Tell) -> Iterator[None]:
    """Tell what the block measures; that it cannot be measured is a failure, and not the end."""
    tell(what)
    with results.noting(what):
        yield


def compare(bench: Workbench, plan: Plan, results: Results, tell: Tell) -> None:
    """Start the floor and the servers, and have them take turns at each work."""
    with ExitStack() as stack:

        def started(commands: Commands, kind: str = "") -> dict[str, Server]:
            servers: dict[str, Server] = {}
            for name, command in commands.items():
                with step(f"start, {kind}{name}", results, tell):
                    servers[name] = stack.enter_context(running(command, bench.server_cpu))
                    servers[name].pause()
            return servers

        servers = started({FLOOR: bench.floor, **plan.commands})
        for name, server in servers.items():
            results.ready_s.setdefault(name, []).append(server.ready_s)
        bare = started(plan.bare, "bare ") if plan.wants(*PINGS) else {}
        for figure, work in plan.works(bench.load).items():
            with results.noting(f"{figure}, {FLOOR}"):
                take_turns(figure, work, servers, bare, results, tell)


def take_turns(
    figure: str,
    work: Work,
    servers: Mapping[str, Server],
    bare: Mapping[str, Server],
    results: Results,
    tell: Tell,
) -> None:
    """Have the floor do the work, then each server and, at once, the bare protocol beside it.

    Raises BenchError if the floor does not.
    """
    if FLOOR not in servers:
        raise BenchError("it does not run, so there is nothing to compare with")
    tell(f"{figure}, {FLOOR}")
    base = take_turn(servers[FLOOR], work)
    for name in [name for name in servers if name != FLOOR]:
        with step(f"{figure}, {name}", results, tell):
            check_room(name, work.connections)
            sample = take_turn(servers[name], work)
            limit = bare_turn(figure, work, name, bare, results, tell)
            rounds = results.speed.setdefault(figure, {}).setdefault(name, [])
            rounds.append(Round(base, sample, limit))


def bare_turn(
    figure: str,
    work: Work,
    name: str,
    bare: Mapping[str, Server],
    results: Results,
    tell: Tell,
) -> Sample | None:
    """Have the bare protocol beside a server do the work; None where it cannot, or is none."""
    if figure in PINGS and name in bare:
        with step(f"{figure}, bare {name}", results, tell):
            sample = take_turn(bare[name], work)
            if sample.per_s:
                return sample
            raise BenchError("nothing was answered")
    return None


def admit(bench: Workbench, plan: Plan, results: Results, tell: Tell) -> None:
    """Have a crowd come to the floor and to each server, freshly started."""
    with results.noting(INTAKE):
        check_descriptors(CLIENTS)
        for name, command in {FLOOR: bench.floor, **plan.commands}.items():
            with step(f"{INTAKE}, {name}", results, tell):
                check_room(name, CLIENTS)
                with running(command, bench.server_cpu) as server:
                    results.intakes.setdefault(name, []).append(take_in(server))


def watch(bench: Workbench, plan: Plan, results: Results, tell: Tell) -> None:
    """Play every scenario with every server, each freshly started."""
    for scenario, name, command in scenes_of(plan.commands):
        with step(f"bystander beside {scenario}, {name}", results, tell):
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
        with step(f"{IDLE}, {name}", results, tell):
            check_room(name, IDLE_CONNECTIONS)
            with running(command, bench.server_cpu) as server:
                results.idle_bytes[name] = idle_bytes(server, IDLE_CONNECTIONS)


def employ(bench: Workbench, plan: Plan, results: Results, tell: Tell) -> None:
    """Start every crew of workers, and have them take turns at BURNs."""
    turns: dict[str, Turn] = {}
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for name, crew in CREWS.items():
            with step(f"workers, start of {name}", results, tell):
                servers[name] = stack.enter_context(hired(bench, crew))
        for name, server in servers.items():
            with step(f"workers, {name}", results, tell):
                cpus = CREWS[name].among(bench)
                turns[name] = take_crew_turn(server, cpus, bench.client_cpu, plan.seconds)
    results.turns.append(turns)
