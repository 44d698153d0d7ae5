#!/usr/bin/env python3
"""Measure a DUMB server beside a floor written in C, in one run.

    ratio.py --connections 50 --pipeline 1 -- python -m dumb_async --loop uvloop --port {port}
    ratio.py --stream 2000000000 -- ...
    ratio.py --idle 10000 -- ...

The floor and the server take turns on one CPU, the one paused while the other is loaded
from a second CPU; the figure to quote is the median of the rounds' ratios. ``{port}`` in
the command is replaced by a free port. Needs gcc, taskset and two CPUs. Prints one JSON
object.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

if not __package__:  # run as a file, by its path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.machine import BenchError, Workbench, median, workbench
from bench.servers import Server, ask, check_descriptors, connect, held_bytes, running

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """What one turn of one server gave."""

    per_s: float
    """Requests a second, or bytes a second of a STREAM."""
    cpu_us: float
    """CPU microseconds of the server for each request, or each megabyte of a STREAM."""
    p99_us: float = 0.0
    errors: int = 0
    unanswered: int = 0
    """Connections that got no reply at all."""


class Work(Protocol):
    """What is asked of the floor and the server in turn."""

    @property
    def connections(self) -> int:
        """How many clients there are at a time."""

    def __call__(self, server: Server) -> Sample:
        """Load the server and say how fast it was. Raises BenchError where it cannot be told."""


@dataclass(frozen=True, slots=True)
class Load:
    """Clients in a closed loop, each with `pipeline` requests in flight."""

    program: str
    connections: int
    pipeline: int = 1
    seconds: float = 1.0
    command: str = "PING"

    def __call__(self, server: Server) -> Sample:
        """Run the load program; CPU time counts from the end of its warm-up."""
        command = self.command_line(server)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                process.stdout.readline()
                before = server.cpu_s()
                report = process.stdout.readline()
                used = server.cpu_s() - before
            finally:
                process.kill()
        if not report:
            raise BenchError("the load ended without a result")
        result = json.loads(report)
        cpu_us = used * 1e6 / max(result["rps"] * self.seconds, 1)
        return Sample(
            result["rps"], cpu_us, result["p99_us"], result["errors"], result["unanswered"]
        )

    def command_line(self, server: Server) -> list[str]:
        """Return how to start the load program, which is told what reply to expect."""
        shape = (server.port, self.connections, self.seconds, self.pipeline)
        return [self.program, *map(str, shape), self.command, ask(server, self.command)]


@dataclass(frozen=True, slots=True)
class Stream:
    """One client that reads one STREAM of `size` bytes as fast as it can."""

    size: int
    connections: ClassVar[int] = 1

    def __call__(self, server: Server) -> Sample:
        """Count every byte; the letters themselves are checked at the end only."""
        buffer, got, last = bytearray(1 << 20), 0, 0
        with connect(server.port) as client:
            before, start = server.cpu_s(), time.perf_counter()
            client.sendall(b"STREAM %d\n" % self.size)
            while got < self.size + len("DONE\n"):
                last = client.recv_into(buffer)
                if not last:
                    raise BenchError(f"the STREAM ended after {got} of {self.size} bytes")
                got += last
            spent, used = time.perf_counter() - start, server.cpu_s() - before
        errors = 0 if b"ADONE\n".endswith(buffer[max(last - 6, 0) : last]) else 1
        return Sample(self.size / spent, used * 1e6 / (self.size / MEGABYTE), errors=errors)


def take_turn(server: Server, work: Work) -> Sample:
    """Have a paused server do the work, alone on its CPU, and pause it again."""
    server.resume()
    try:
        return work(server)
    finally:
        server.pause()


def idle_bytes(server: Server, count: int) -> float:
    """Hold idle connections, each of which was answered once; return private bytes for each.

    Raises BenchError where we may not hold as many, or one of them is not answered.
    """
    check_descriptors(count)
    before = held_bytes(server)
    with ExitStack() as held:
        clients = [held.enter_context(connect(server.port)) for _ in range(count)]
        for client in clients:
            client.sendall(b"PING\n")
        for client in clients:
            if (reply := client.recv(64)) != b"PONG\n":
                raise BenchError(f"a held connection was answered with {reply!r}")
        return (held_bytes(server) - before) / count


def ratios(base: Sequence[Sample], server: Sequence[Sample]) -> list[float]:
    """Return how fast a server was beside another, round by round."""
    return [mine.per_s / other.per_s for other, mine in zip(base, server, strict=True)]


def summary(floor: Sequence[Sample], server: Sequence[Sample]) -> dict[str, object]:
    """Sum up the rounds of a server and those of the floor beside it."""
    each = ratios(floor, server)
    return {
        "ratio": round(median(each), 3),
        "ratios": [round(ratio, 3) for ratio in each],
        "floor_per_s": round(median([sample.per_s for sample in floor])),
        "server_per_s": round(median([sample.per_s for sample in server])),
        "floor_cpu_us": round(median([sample.cpu_us for sample in floor]), 3),
        "server_cpu_us": round(median([sample.cpu_us for sample in server]), 3),
        "p99_us": median([sample.p99_us for sample in server]),
        "errors": sum(sample.errors for sample in server),
        "unanswered": sum(sample.unanswered for sample in server),
    }


def measure(args: argparse.Namespace, bench: Workbench, command: list[str]) -> dict[str, object]:
    """Do what the command line asks for."""
    with running(bench.floor, bench.server_cpu) as floor:
        floor_idle = idle_bytes(floor, args.idle) if args.idle else 0
        floor.pause()
        with running(command, bench.server_cpu) as server:
            if args.idle:
                each = round(idle_bytes(server, args.idle))
                return {"idle": args.idle, "bytes_per_connection": each, "floor": round(floor_idle)}
            server.pause()
            work: Work = Load(
                bench.load, args.connections, args.pipeline, args.seconds, args.command
            )
            if args.stream:
                work = Stream(args.stream)
            both = (floor, server)
            rounds = [[take_turn(each, work) for each in both] for _ in range(args.rounds)]
            base, mine = zip(*rounds, strict=True)
            return {**summary(base, mine), "ready_s": round(server.ready_s, 3)}


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--pipeline", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--command", default="PING")
    parser.add_argument("--stream", type=int, default=0, help="bytes of one STREAM instead")
    parser.add_argument("--idle", type=int, default=0, help="idle connections to weigh instead")
    parser.add_argument("server", nargs=argparse.REMAINDER, help="-- command with {port}")
    args = parser.parse_args()
    command = [word for word in args.server if word != "--"]
    if not command:
        parser.error("the server's command is missing")
    try:
        with workbench() as bench:
            print(json.dumps(measure(args, bench, command)))
    except (BenchError, OSError) as error:
        sys.exit(f"ratio.py: {error}")


if __name__ == "__main__":
    main()
