"""Reports that nobody has measured: one contestant for each thing that can become of one."""

import math
import random
from collections import Counter
from collections.abc import Collection
from typing import Final

from loadgen.counts import Cause, Commanded, Fault, Histogram, Phase, Tally
from loadgen.engine.vitals import Vitals
from loadgen.results import Agent, Result
from loadgen.scenarios import Made, Scenario
from variants.compare import choosing
from variants.compare.contestants import Contestant
from variants.compare.disturbance import Disturbance
from variants.compare.pinning import Cpus
from variants.compare.report import Measurement, Observation, Report
from variants.compare.study import WORKLOADS, Entry, Load, Study
from variants.compare.usage import Usage

#: A name that would run, if it were taken for HTML or for JavaScript anywhere.
HOSTILE: Final = "<script>alert(1)</script>%{x}<!--\"'&amp;</b>"
CONNECTIONS: Final = (1, 10, 100, 1000)
#: What becomes of one that cannot be started.
FAILURE: Final = "it did not start: it ended with status 3; it said last: <b>no such port</b>"
#: What becomes of one that crashes, and of one that is not started any more.
DEATH: Final = "it died of SIGSEGV"
LEFT_OUT: Final = "left out: it had failed 2 times in a row"
DOUBT: Final = "agent 1/1 wanted 99% of a CPU"
DISTURBANCE: Final = Disturbance(stolen=0.2, others=0.01, pressure={"cpu": 0.3})

#: Requests a second on one connection, microseconds of CPU each, MiB without anybody.
_MODELS: Final = {
    "asyncio": (9_000, 61.0, 24),
    "threads": (11_000, 48.0, 19),
    "iterative": (12_500, 40.0, 16),
    "slow": (139, 80.0, 12),
    HOSTILE: (16_000, 12.0, 3),
}
#: What becomes, from round to round, of those that cannot be started.
_FAILURES: Final = {"dud": (FAILURE,), "broken": (FAILURE, FAILURE, LEFT_OUT)}
#: What becomes of those that serve nobody, and by which error.
_UNSERVING: Final = {"crashing": (DEATH, Cause.RESET), "hanging": ("", Cause.TIMEOUT)}
_BUSY: Final = {"mix": 0.4, "ping": 1.0, "paced": 1.0}


def study() -> Study:
    """Five contestants: a reference, one that falls over, a paralysed one, a foreign one, a dud."""
    return Study(
        contestants=(
            *(_contestant(name) for name in ("asyncio", "threads", "iterative", "dud")),
            Contestant(HOSTILE, ("./server", "--name", HOSTILE, "{port}"), foreign=True),
        ),
        against="asyncio",
        cpus=Cpus((0,), (1,)),
        workloads={name: WORKLOADS[name] for name in ("ping", "mix")},
        connections=CONNECTIONS,
    )


def bad_study() -> Study:
    """Our own server beside some that nobody wants to have, as `servers` has them, for real."""
    ours = _contestant("asyncio")
    bad = (
        Contestant(name, ("./server", "{port}"), foreign=True)
        for name in ("slow", "crashing", "hanging", "broken")
    )
    ping = {"ping": WORKLOADS["ping"]}
    cpus = Cpus((0,), (1,))
    return Study((ours, *bad), "asyncio", cpus, ping, connections=(5,), scenarios=())


def quick_study() -> Study:
    """What a quick comparison has: a closed loop, and a rate that is given."""
    ours = tuple(map(_contestant, ("asyncio", "threads", "dud")))
    return Study(ours, "asyncio", Cpus((0,), (1,)), **choosing.QUICK)


def report(made: Study | None = None, saturated: Collection[str] = ()) -> Report:
    """Go through a study, as if: `study`, unless said otherwise.

    :param saturated: workloads of which the generator was saturated in every round.
    """
    made, noise = made or study(), random.Random(1)
    done = Report(
        study={**made.as_json(), "cpus": {"server": [0], "load": [1], "share_a_core": False}},
        command=f"python -m variants compare --target '{HOSTILE}=./server {{port}}' --seed 0",
        begun="2026-03-01T12:00:00+00:00",
        ended="2026-03-01T12:04:10+00:00",
        machine={"system": "Linux 6.1", "processor": "Imaginary CPU", "cpus": 2,
                 "memory_bytes": 8 << 30},
        versions={"dumb_async": "1.0", "python": "CPython 3.11.7", "uvloop": "0.21.0"},
    )  # fmt: skip
    for block in made.blocks():
        for entry in block.entries:
            if isinstance(block.cell, Load):
                one = _measured(block.number, entry, block.cell, noise)
                if one.result and block.cell.workload in saturated:
                    one.result.doubts = [DOUBT]
                done.measurements.append(one)
            else:
                done.observations.append(_observed(entry, block.cell, noise))
    return done


def _contestant(name: str) -> Contestant:
    return Contestant(name, ("python", "-m", "variants", name, "--port", "{port}"))


def _measured(number: int, entry: Entry, load: Load, noise: random.Random) -> Measurement:
    name, connections = entry.contestant.name, load.connections
    about = (number, name, entry.again, load.workload, connections)
    if failures := _FAILURES.get(name):
        return Measurement(*about, failure=failures[min(number, len(failures) - 1)])
    if name in _UNSERVING:
        return _unserved(about, *_UNSERVING[name], noise)
    alone, cpu_us, memory = _MODELS[name]
    rate = alone * _BUSY[load.workload] * noise.gauss(1, 0.02) * (1 + 0.8 * (connections > 1))
    served = 1 if name == "iterative" else connections
    if name == "threads" and connections == CONNECTIONS[-1]:
        served, rate = 700, rate / 3
    given = WORKLOADS[load.workload].rate
    rate = given or rate
    result = _result(rate / 100, served / rate, noise)
    result.arguments["rate"] = given or None
    result.tally.clients = connections
    result.tally.never_served = connections - served
    if served < connections:
        result.tally.lost_requests = Counter(
            {Fault(Phase.READ, Cause.TIMEOUT): connections - served}
        )
    if name == HOSTILE and connections >= 100:
        result.doubts = [DOUBT]
    usage = _usage(result.tally.replies, cpu_us * noise.gauss(1, 0.02), memory, connections)
    disturbance = DISTURBANCE if number == 3 and load.workload == "mix" else Disturbance()
    return Measurement(*about, "", 0.2, result, usage, disturbance)


def _unserved(
    about: tuple[int, str, bool, str, int], failure: str, cause: Cause, noise: random.Random
) -> Measurement:
    """Of one that answers nobody."""
    result, connections = _result(0, 1.0, noise), about[-1]
    result.tally.clients = result.tally.never_served = connections
    result.tally.lost_requests = Counter({Fault(Phase.READ, cause): connections})
    return Measurement(*about, failure, 0.2, result, _usage(0, 0.0, 12, connections))


def _observed(entry: Entry, scenario: Scenario, noise: random.Random) -> Observation:
    name, about = entry.contestant.name, (0, entry.contestant.name, scenario.name)
    if name == "dud":
        return Observation(*about, failure=FAILURE)
    clients, paralysed = scenario.clients, name == "iterative" and scenario.clients > 0
    made = Made(clients=clients, connected=clients, served=1 if paralysed else clients)
    if paralysed:
        result = _result(0, 1.0, noise)
    elif scenario.name == "big-burn" and name != HOSTILE:
        result = _result(400, 0.21, noise)
    else:
        result = _result(400, 3e-4 * (1 + clients / 1000), noise)
    if scenario.name == "idle" and name == "threads":
        made = Made(clients=clients, connected=clients, served=clients // 2, error="EAGAIN")
    result.tally.planned = 400
    disturbance = DISTURBANCE if scenario.name == "stream" and name == HOSTILE else Disturbance()
    usage = _usage(result.tally.replies, 50, 20, clients, seconds=2.0)
    return Observation(*about, "", made, 0.1, result, usage, disturbance)


def _result(replies: float, response: float, noise: random.Random) -> Result:
    """A hundredth of a second's run with so many replies, after ``response`` seconds or so."""
    responses = Histogram()
    for _ in range(math.ceil(replies)):
        responses.record(response * noise.lognormvariate(0, 0.2))
    counted = Commanded(sent=math.ceil(replies), response=responses, service=responses)
    vitals = Vitals(4e-3, 1e-4, 0.01, 0.01, 30 << 20)
    tally = Tally(commands={"PING": counted}, planned=math.ceil(replies), connections=1, clients=1)
    return Result(tally, [Agent("1/1", vitals)], {"seed": 0}, "2026-03-01T12:00:00+00:00")


def _usage(
    replies: int, cpu_us: float, mebibytes: int, connections: int, seconds: float = 0.01
) -> Usage:
    cpu_s, unloaded = replies * cpu_us / 1e6, mebibytes << 20
    return Usage(
        seconds, cpu_s, cpu_s * 0.7, cpu_s * 0.3, voluntary=int(9000 * seconds), involuntary=1,
        threads=1, virtual_bytes=unloaded * 9,
        resident_bytes=unloaded + (9 << 20) + connections * 4096,
        private_bytes=unloaded + connections * 4096, unloaded_bytes=unloaded,
        connections=connections,
    )  # fmt: skip
