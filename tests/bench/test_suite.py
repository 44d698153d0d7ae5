"""The course of a run, without the servers."""

import resource
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from bench import suite
from bench.machine import BenchError, Workbench
from bench.plan import INTAKE, PINGS, Plan, Results
from bench.ratio import Sample
from bench.suite import take_turns
from bench.targets import FLOOR
from bench.workers import CREWS, JUDGED, ONE

BENCH = Workbench(server_cpu=2, client_cpu=5, floor=("./floor", "{port}"), load="./load")


class FakeServer:
    """Is so fast, and does nothing."""

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s

    def pause(self) -> None:
        """As a server."""

    def resume(self) -> None:
        """As a server."""


@dataclass
class FakeWork:
    """Keeps the order of the turns."""

    connections: int = 50
    turns: list[float] = field(default_factory=list)

    def __call__(self, server: Any) -> Sample:
        """Let a server be as fast as it is, where it is at all."""
        self.turns.append(server.per_s)
        if server.per_s < 0:
            raise BenchError("it is gone")
        return Sample(server.per_s, 1.0)


def turns_at(
    figure: str, servers: Sequence[float], bare: Sequence[float]
) -> tuple[Results, list[float]]:
    """Have a floor of 100, servers and bare protocols that are so fast take their turns."""
    results, work, told = Results(), FakeWork(), list[str]()
    named: dict[str, Any] = {FLOOR: FakeServer(100), **fakes(servers)}
    take_turns(figure, work, named, fakes(bare), results, told.append)
    assert len(work.turns) == len(told)
    return results, work.turns


def fakes(speeds: Sequence[float]) -> dict[str, Any]:
    """Servers, by the names a, b, c."""
    return {name: FakeServer(per_s) for name, per_s in zip("abc", speeds, strict=False)}


def rounds_of(results: Results, figure: str) -> dict[str, list[tuple[float, float | None]]]:
    """How fast each server and its bare protocol were."""
    return {
        name: [(one.server.per_s, one.bare.per_s if one.bare else None) for one in rounds]
        for name, rounds in results.speed[figure].items()
    }


@pytest.mark.parametrize("figure", PINGS)
def test_a_bare_protocol_has_its_turn_right_after_its_server(figure: str) -> None:
    """The floor is first; a server without one is beside the floor alone."""
    results, turns = turns_at(figure, [70, 60, 50], [80, 75])
    assert [100, 70, 80, 60, 75, 50] == turns
    assert {"a": [(70, 80)], "b": [(60, 75)], "c": [(50, None)]} == rounds_of(results, figure)
    assert not results.failures


def test_a_bare_protocol_knows_no_stream() -> None:
    """So it is not asked for one."""
    results, turns = turns_at("stream", [70], [80])
    assert [100, 70] == turns
    assert {"a": [(70, None)]} == rounds_of(results, "stream")


@pytest.mark.parametrize(("per_s", "why"), [(-1, "it is gone"), (0, "nothing was answered")])
def test_a_bare_protocol_that_fails_is_no_limit(per_s: float, why: str) -> None:
    """The server is measured all the same, and the failure is told."""
    results, _ = turns_at("ping50", [70], [per_s])
    assert {"a": [(70, None)]} == rounds_of(results, "ping50")
    assert [f"ping50, bare a: {why}"] == results.failures


def test_a_server_that_fails_leaves_the_others() -> None:
    """Its bare protocol is then beside nothing."""
    results, turns = turns_at("ping50", [-1, 60], [80, 75])
    assert [100, -1, 60, 75] == turns
    assert {"b": [(60, 75)]} == rounds_of(results, "ping50")
    assert ["ping50, a: it is gone"] == results.failures


def test_a_crowd_that_does_not_fit_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told once, and no server is started for it."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4096, 4096))
    results = Results()
    suite.run(
        BENCH, Plan({"uvloop": ["./server"]}, [INTAKE], rounds=2), results, list[str]().append
    )
    failure = "intake: 10000 connections do not fit in the descriptor limit of 4096"
    assert [failure] == results.failures


def test_what_fails_in_every_round_is_told_once() -> None:
    """And the rest is measured all the same."""
    results = Results()
    for _ in range(3):
        with results.noting("ping1000, select"):
            raise BenchError("too many")
        with results.noting("idle, threads"):
            raise TimeoutError("timed out")
    assert ["ping1000, select: too many", "idle, threads: timed out"] == results.failures


def test_one_worker_has_the_cpu_of_all_servers() -> None:
    """Where the client does not run."""
    assert "--workers 1 --cpus 2 --port {port}" in " ".join(CREWS[ONE].command(BENCH))
    assert (2,) == CREWS[ONE].among(BENCH)


def test_two_workers_have_both_cpus() -> None:
    """As processes or as threads."""
    assert "--workers 2 --cpus 2,5 --port {port}" in " ".join(CREWS[JUDGED].command(BENCH))
    (threads,) = (crew.command(BENCH) for name, crew in CREWS.items() if "threads" in name)
    assert "--workers 2 --threads --cpus 2,5 --port {port}" in " ".join(threads)
