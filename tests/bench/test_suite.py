"""The course of a run, without the servers."""

from bench.machine import BenchError, Workbench
from bench.suite import Results
from bench.workers import CREWS, JUDGED, ONE

BENCH = Workbench(server_cpu=2, client_cpu=5, floor=("./floor", "{port}"), load="./load")


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
