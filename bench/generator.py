"""The load generator beside the load in C, against the same server: the floor.

It is run as its users run it, by its command line, with its one agent on the clients' CPU.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.machine import BenchError, Workbench
from bench.ratio import Load
from bench.servers import Server, running

CONNECTIONS = 50
CROWD, FEW = 10_000, 100
RATE, RATE_S = 20_000, 10
#: Statuses with a result: all well, and the generator was the bottleneck.
WITH_RESULT = (0, 3)


@dataclass(slots=True)
class Generated:
    """What the generator did, round by round.

    :param closed: requests a second of a closed loop: the load in C, ours.
    :param cpu_us: its CPU microseconds a request, in these.
    :param crowd_s: seconds in which 10,000 connections were made.
    :param crowd_bytes: what each of them took of its memory.
    :param achieved: of 20,000 requests a second of an open loop, the share that was sent in time.
    :param lag_ms: p99 of its lag in these.
    """

    closed: list[tuple[float, float]] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    crowd_s: list[float] = field(default_factory=list)
    crowd_bytes: list[float] = field(default_factory=list)
    achieved: list[float] = field(default_factory=list)
    lag_ms: list[float] = field(default_factory=list)


def generate(bench: Workbench, seconds: float, done: Generated) -> None:
    """Measure one round into ``done``.

    Raises BenchError if a run has no result.
    """
    with running(bench.floor, bench.server_cpu) as server:
        in_c = Load(bench.load, CONNECTIONS, seconds=seconds)(server).per_s
        ours = load(bench, server, "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--warmup", "0.2s")
        done.closed.append((in_c, ours["rate_per_s"]))
        done.cpu_us.append(ours["agents"][0]["cpu_s"] / ours["requests"] * 1e6)
        few, crowd = (load(bench, server, "-c", str(n), "-n", str(n)) for n in (FEW, CROWD))
        done.crowd_s.append(crowd["agents"][0]["connecting_s"])
        more = crowd["agents"][0]["memory_bytes"] - few["agents"][0]["memory_bytes"]
        done.crowd_bytes.append(more / (CROWD - FEW))
        paced = load(bench, server, "-c", str(CONNECTIONS), "-R", str(RATE), "-d", f"{RATE_S}s")
        done.achieved.append(paced["sent_per_s"] / RATE)
        done.lag_ms.append(paced["lag_s"]["p99"] * 1000)


def load(bench: Workbench, server: Server, *options: str) -> dict[str, Any]:
    """Run the generator once, and return its result.

    Raises BenchError if there is none.
    """
    program = [sys.executable, "-m", "loadgen", "run", f"127.0.0.1:{server.port}"]
    command = [*program, "-q", "-o", "json", "--cpus", str(bench.client_cpu), *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode not in WITH_RESULT:
        raise BenchError(f"loadgen ended with status {ended.returncode}: {_last(ended.stderr)}")
    result: dict[str, Any] = json.loads(ended.stdout)
    return result


def _last(text: str) -> str:
    lines: Sequence[str] = text.strip().splitlines()
    return lines[-1] if lines else "no message"
