"""One measurement: a fresh server, its load, and what became of both."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from dumb_async import Service
from loadgen.agents import Job
from loadgen.conducting import CannotRun, conduct
from loadgen.counts import Tally
from loadgen.engine import Options, Target
from loadgen.plan import Plan, Profile
from loadgen.results import Result
from loadgen.scenarios import Beside, Scenario, play
from loadgen.views import Silent

from .disturbance import Watch
from .report import Measurement, Observation
from .servers import HOST, Probe, Server, ServerFailed, free_port, running
from .study import Entry, Load, Study
from .usage import Snapshot, Usage, snapshot

#: The share of a run after which a server is looked at: all its clients are there yet.
_LOOK_AT: Final = 0.9
#: Seconds between the last look before a run and its begin.
_NOTICE: Final = 0.05
#: Seconds without progress after which those that wait to be accepted are not waited for, ...
_STUCK_AFTER: Final = 0.5
#: ... and with it.
_SETTLE_WITHIN: Final = 20.0
_LISTENS: Final = "0A"


class Bench:
    """Measures what a study asks for, one thing at a time.

    :param service: what the study's contestants speak.
    """

    def __init__(self, study: Study, service: Service) -> None:
        self._study = study
        first = [one.mix.requests[0] for one in study.workloads.values()]
        self._probe = Probe(service, first[0] if study.service else b"PING")

    def measure(self, number: int, entry: Entry, load: Load) -> Measurement:
        """Put a load on a contestant; whatever becomes of it is in what is returned."""
        study, name = self._study, entry.contestant.name
        about = (number, name, entry.again, load.workload, load.connections)
        try:
            with self._server(entry) as server:
                look = _Look(server, load.connections, study.seconds)
                watch = Watch(study.cpus, server.pid)
                result, failure = self._conduct(server, load, look)
                failure = server.death or failure
                return Measurement(*about, failure, server.ready_s, result, look.usage, watch.end())
        except ServerFailed as error:
            return Measurement(*about, str(error))

    def observe(self, number: int, entry: Entry, scenario: Scenario) -> Observation:
        """Make trouble for a contestant; whatever becomes of it is in what is returned."""
        study, name = self._study, entry.contestant.name
        load = study.cpus.load
        beside = Beside(
            seconds=study.watch_seconds,
            rate=study.rate,
            timeout=study.timeout,
            patience=study.timeout,
            cpus=load[:1],
            trouble_cpus=load[1:] or load,
        )
        try:
            with self._server(entry) as server:
                watch, begin = Watch(study.cpus, server.pid), snapshot(server.pid)
                try:
                    played = play(scenario, Target(HOST, server.port), beside)
                except CannotRun as error:
                    return Observation(number, name, scenario.name, server.death or str(error))
                end, disturbance = snapshot(server.pid), watch.end()
                served = played.made.served + 1
                usage = Usage.between(begin, end, server.unloaded_bytes, served)
                return Observation(
                    number, name, scenario.name, server.death, played.made,
                    played.recovery, played.bystander, usage if end.threads else None, disturbance,
                )  # fmt: skip
        except ServerFailed as error:
            return Observation(number, name, scenario.name, str(error))

    @contextmanager
    def _server(self, entry: Entry) -> Iterator[Server]:
        port, study = free_port(), self._study
        command = entry.contestant.on_port(port)
        with running(command, port, self._probe, study.cpus.server, study.memory_limit) as server:
            yield server

    def _conduct(self, server: Server, load: Load, look: "_Look") -> tuple[Result | None, str]:
        """Carry out the run; return its result, or why there is none."""
        study, workload = self._study, self._study.workloads[load.workload]
        rate = Profile.constant(workload.rate, study.seconds) if workload.rate else None
        clients = Profile.constant(load.connections, study.seconds)
        plan = Plan(workload.mix, clients, rate, seconds=study.seconds, seed=study.seed)
        options = Options(timeout=study.timeout, connect_timeout=study.timeout, stay=True)
        job = Job(plan, Target(HOST, server.port, study.service), options, study.cpus.load)
        arguments = {"mix": str(workload.mix), "connections": load.connections,
                     "rate": workload.rate or None, "duration": study.seconds,
                     "timeout": study.timeout, "seed": study.seed}  # fmt: skip
        workers = min(len(study.cpus.load), load.connections)
        try:
            return conduct(job, arguments, workers=workers, cpus=study.cpus.load,
                           view=look, start=look.begin), ""  # fmt: skip
        except CannotRun as error:
            return None, str(error)


class _Look(Silent):
    """A view of a run that shows nothing: it looks at the server, before and in the run."""

    def __init__(self, server: Server, connections: int, seconds: float) -> None:
        self.interval = _LOOK_AT * seconds
        self._server = server
        self._connections = connections
        self._begin: Snapshot | None = None
        self._end: Snapshot | None = None

    def begin(self) -> float:
        """Wait until the server has accepted whom it will; return when to begin."""
        settle(lambda: waiting(self._server.port))
        self._begin = snapshot(self._server.pid)
        return time.monotonic() + _NOTICE

    def update(self, tally: Tally, done: float | None) -> None:  # noqa: ARG002
        """Look at it once."""
        self._end = self._end or snapshot(self._server.pid)

    @property
    def usage(self) -> Usage | None:
        """What it used; ``None``: the run was over too soon."""
        if self._begin is None or self._end is None or not self._end.threads:
            return None
        unloaded = self._server.unloaded_bytes
        return Usage.between(self._begin, self._end, unloaded, self._connections)


def settle(left: Callable[[], int]) -> None:
    """Return when nothing is left, or what is left becomes no less."""
    now = begun = progress = time.monotonic()
    least = left()
    while least and now < min(progress + _STUCK_AFTER, begun + _SETTLE_WITHIN):
        time.sleep(0.01)
        now, still = time.monotonic(), left()
        if still < least:
            least, progress = still, now


def waiting(port: int) -> int:
    """How many connections to ``port`` the kernel has made, and the server not yet accepted.

    Of a listening socket ``rx_queue`` in /proc/net/tcp is that number (tcp_diag.c: sk_ack_backlog).
    """
    return sum(_waiting(port, Path(f"/proc/net/{family}")) for family in ("tcp", "tcp6"))


def _waiting(port: int, table: Path) -> int:
    count = 0
    try:
        lines = table.open(encoding="ascii")
    except OSError:  # there is no IPv6
        return 0
    with lines:
        next(lines)  # the names of the columns
        for line in lines:
            fields: list[Any] = line.split(maxsplit=5)
            if fields[3] != _LISTENS:  # those that listen come first
                break
            if int(fields[1].rpartition(":")[2], 16) == port:
                count += int(fields[4].rpartition(":")[2], 16)
    return count
