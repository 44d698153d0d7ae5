"""What commands make of results that are given: verdicts, exit statuses, what is said of them."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from loadgen import ceiling
from loadgen.agents import Job
from loadgen.ceiling import Part, Scales, measure, parts
from loadgen.commands import status
from loadgen.counts import Cause, Fault, Phase
from loadgen.engine import Target
from loadgen.engine.vitals import Watch
from loadgen.null_server import NullServer
from loadgen.plan import Plan
from loadgen.results import Agent, Result, Threshold
from loadgen.scenarios import SCENARIOS, Made, Played, Verdict

from .conftest import Call, Given, Told, module_of
from .test_results import VITALS, result

TARGET = "127.0.0.1:9"
DOUBT = "agent 0/1 wanted 99% of a CPU"
WELL = result(0.001)
SLOW = result(0.1)
DOUBTED = replace(WELL, doubts=[DOUBT])
LOST = replace(WELL, agents=[*WELL.agents, Agent("1/2", None)])
WRONG = replace(WELL, wrong=["PING", "PANG\n"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(WELL, status.OK, id="well"),
        pytest.param(SLOW, status.MISSED, id="slow"),
        pytest.param(DOUBTED, status.INVALID, id="doubted"),
        pytest.param(replace(SLOW, doubts=[DOUBT]), status.INVALID, id="slow and doubted"),
        pytest.param(result(), status.FAILED, id="silent"),
        pytest.param(LOST, status.FAILED, id="an agent lost"),
        pytest.param(WRONG, status.FAILED, id="a wrong reply"),
        pytest.param(replace(WRONG, doubts=[DOUBT]), status.FAILED, id="wrong and doubted"),
        pytest.param(replace(WRONG, interrupted=True), status.INTERRUPTED, id="interrupted"),
    ],
)
def test_a_run_ends_with_the_worst_of_it(
    told: Told, call: Call, tmp_path: Path, given: Result, expected: int
) -> None:
    """As does the report on it, when it was saved."""
    file = str(tmp_path / "result.json")
    asked = ("--threshold", "p99<50ms")
    assert expected == told(lambda _: given, "run", TARGET, "-q", "--out", file, *asked).status
    assert expected == call("report", file, *asked).status


def test_a_threshold_that_is_missed_is_said(told: Told) -> None:
    """Which one, and by how much; with the text, or beside another form."""
    words = (TARGET, "-q", "--threshold", "p50<1us", "--threshold", "requests>=1")
    lines = ["MISSED  p50<1us  (is 1.00 ms)", "met  requests>=1  (is 1)"]
    finished = told(lambda _: WELL, "run", *words)
    assert (lines, "") == (finished.stdout.splitlines()[-2:], finished.stderr)
    finished = told(lambda _: WELL, "run", *words, "-o", "json")
    assert [f"loadgen: {line}" for line in lines] == finished.stderr.splitlines()


def test_a_doubt_is_said(told: Told) -> None:
    """In each form: nobody takes such a result for one that is valid."""
    finished = told(lambda _: DOUBTED, "run", TARGET, "-q")
    assert f"INVALID: {DOUBT}" == finished.stdout.splitlines()[-1]
    finished = told(lambda _: DOUBTED, "run", TARGET, "-q", "-o", "json")
    assert (False, [DOUBT]) == (finished.json["valid"], finished.json["doubts"])
    assert f"loadgen: {DOUBT}\n" == finished.stderr
    finished = told(lambda _: DOUBTED, "run", TARGET, "-q", "-o", "csv")
    assert finished.stdout.endswith(",false\n")
    assert f"loadgen: {DOUBT}\n" == finished.stderr


def test_a_generator_watches_itself() -> None:
    """It is told at least as much CPU time as it has used."""
    watch, begun = Watch(), time.process_time()
    while time.process_time() - begun < 0.03:
        pass
    watch.stop()
    assert watch.vitals.cpu_s >= 0.03
    assert watch.vitals.busy > 0


# find-max and sweep: rates, and a server that is said to hold some of them


def server(
    per_s: float, doubted: Callable[[int, float], bool] = lambda *_: False, lost: int = 0
) -> Given:
    """Runs against a server that answers so many a second, one after the other.

    :param doubted: whether a run cannot be believed, by its number and its rate.
    :param lost: how many requests of each have no answer.
    """
    done: list[float] = []

    def run(job: Job) -> Result:
        rate, instants = level(job.plan), [at for at, _ in job.plan.schedule()]
        free, latencies = 0.0, []
        for at in instants[lost:]:
            free = max(free, at) + 1 / per_s
            latencies.append(free - at)
        found = result(*latencies)
        found.tally.planned = len(instants)
        found.doubts = [DOUBT] if doubted(len(done), rate) else []
        done.append(rate)
        return found

    return run


def level(plan: Plan) -> float:
    """Its rate."""
    assert plan.rate is not None
    return plan.rate.highest


SEARCH = ("find-max", TARGET, "--start", "60", "--step", "500ms", "-o", "json")


def steps(found: Sequence[dict[str, object]]) -> list[tuple[object, object]]:
    """The rates that were tried, and whether they were held."""
    return [(step["rate_per_s"], step["held"]) for step in found]


def test_the_highest_rate_is_between_what_was_held_and_what_was_not(told: Told) -> None:
    """The last one that was held is tried once more, for twice as long."""
    words = (*SEARCH, "--precision", "1", "--slo", "p50<200ms")
    finished = told(server(100), *words)
    assert (0, 120) == (finished.status, finished.json["max_rate_per_s"])
    tried = [(60, True), (120, True), (240, False), (120, True)]
    assert tried == steps(finished.json["steps"])
    assert [30, 60, 120, 120] == [
        step["result"]["planned"] for step in finished.json["steps"]
    ]  # fmt: skip
    verdicts = [line.split()[1] for line in finished.stderr.splitlines()]
    assert ["held", "held", "missed", "held"] == verdicts


@pytest.mark.parametrize("per_s", [20, 100, 1000])
def test_a_server_holds_what_it_answers(told: Told, per_s: float) -> None:
    """To within the precision, and what a queue of 50 ms is good for."""
    finished = told(server(per_s), *SEARCH, "--slo", "p99<100ms", "--limit", "100k")
    assert 0 == finished.status
    assert 0.95 * per_s <= finished.json["max_rate_per_s"] <= 1.1 * per_s


def test_a_rate_that_is_not_held_for_longer_is_not_the_highest(told: Told) -> None:
    """Its queue grows: a lower one is tried, by the precision."""
    finished = told(server(100), *SEARCH, "--precision", "1", "--slo", "p99<120ms")
    tried = [(60, True), (120, True), (240, False), (120, False), (60, True)]
    assert tried == steps(finished.json["steps"])
    assert 60 == finished.json["max_rate_per_s"]


def test_nothing_is_held_where_too_few_are_answered(told: Told) -> None:
    """However fast the others are: 99 of 100 have to be."""
    finished = told(server(1000, lost=1), *SEARCH)
    assert (99, 0) == (finished.status, finished.json["max_rate_per_s"])
    assert {False} == {held for _, held in steps(finished.json["steps"])}
    finished = told(server(1000, lost=1), *SEARCH[:-2])
    assert "not even the lowest rate tried was held with p99<50ms\n" == finished.stdout


def test_a_doubt_that_passes_is_none(told: Told) -> None:
    """The rate is tried again."""
    words = (*SEARCH, "--precision", "1", "--slo", "p50<200ms")
    finished = told(server(100, lambda number, _: number == 1), *words)
    assert (0, 120, False) == (
        finished.status, finished.json["max_rate_per_s"], finished.json["limited_by_generator"],
    )  # fmt: skip


def test_a_rate_that_is_doubted_is_not_held(told: Told) -> None:
    """And the search says of itself that a server may hold more."""
    words = (*SEARCH, "--precision", "1", "--slo", "p50<200ms")
    finished = told(server(1000, lambda _, rate: rate > 100), *words)
    assert (3, 60, True) == (
        finished.status, finished.json["max_rate_per_s"], finished.json["limited_by_generator"],
    )  # fmt: skip
    assert [True, False, True] == [step["valid"] for step in finished.json["steps"]]
    assert ["held", "invalid", "held"] == [line.split()[1] for line in finished.stderr.splitlines()]
    finished = told(server(1000, lambda _, rate: rate > 100), *words[:6], *words[8:])
    assert "INVALID: the generator was the bottleneck at a higher one" in finished.stdout


def test_a_search_that_is_interrupted_has_what_it_found(told: Told) -> None:
    """It goes no further."""
    runs = iter([WELL, replace(WELL, interrupted=True)])

    def given(_: Job) -> Result:
        found = next(runs)
        found.tally.planned = 1
        return found

    finished = told(given, *SEARCH)
    assert (130, 2, True) == (
        finished.status, len(finished.json["steps"]), finished.json["interrupted"],
    )  # fmt: skip


SWEEP = ("sweep", TARGET, "--over", "rate=50,90,200", "--step", "1s")


def test_the_knee_of_a_server_is_where_it_can_do_no_more(told: Told) -> None:
    """With JSON and on the table; afterwards it is as it was."""
    finished = told(server(100), *SWEEP, "-o", "json")
    assert (0, 90, 1.0) == (finished.status, finished.json["knee"], finished.json["recovery"])
    lines = told(server(100), *SWEEP).stdout.splitlines()
    assert ["50", "90", "200", "50"] == [line.split()[0] for line in lines[1:]]
    assert [False, True, False, False] == ["◀ knee" in line for line in lines[1:]]
    assert lines[4].endswith("afterwards: p99 1 times that before")


def test_a_load_that_is_doubted_is_said(told: Told) -> None:
    """Which one, and the sweep is no better than it."""
    finished = told(server(100, lambda _, rate: rate == 200), *SWEEP)
    assert 3 == finished.status
    assert f"INVALID at 200: {DOUBT}" == finished.stdout.splitlines()[-1]
    assert 1 == told(lambda _: result(), *SWEEP).status


# scenario

ERRORS = result(0.001)
ERRORS.tally.lost_requests = Counter({Fault(Phase.READ, Cause.TIMEOUT): 1})
ENOUGH, FEW = Made(clients=4, served=4), Made(clients=4, served=3)


def play(bystander: Result | None, made: Made = ENOUGH, *, skipped: bool = False) -> Played:
    """What came of a scenario, by what a bystander saw of it."""
    slo = (Threshold.parse("p99<50ms"),)
    one = replace(SCENARIOS["idle"], clients=4)
    return Played(one, slo, made, bystander, recovery=0.01, skipped=skipped)


@pytest.mark.parametrize(
    ("played", "verdict", "expected"),
    [
        pytest.param(play(WELL), Verdict.HELD, 0, id="well"),
        pytest.param(play(DOUBTED), Verdict.HELD, 0, id="well, though late"),
        pytest.param(play(SLOW), Verdict.MISSED, 99, id="slow"),
        pytest.param(play(ERRORS), Verdict.MISSED, 99, id="fast, with errors"),
        pytest.param(play(result()), Verdict.MISSED, 99, id="silent"),
        pytest.param(play(None), Verdict.MISSED, 99, id="never got in"),
        pytest.param(play(replace(SLOW, doubts=[DOUBT])), Verdict.INVALID, 3, id="late"),
        pytest.param(play(WELL, FEW), Verdict.HOLLOW, 3, id="too little trouble"),
        pytest.param(play(SLOW, FEW), Verdict.MISSED, 99, id="slow with too little trouble"),
        pytest.param(play(None, skipped=True), Verdict.SKIPPED, 99, id="skipped"),
        pytest.param(play(WRONG), Verdict.HELD, 1, id="a wrong reply"),
    ],
)
def test_how_a_server_did(
    call: Call, monkeypatch: pytest.MonkeyPatch, played: Played, verdict: Verdict, expected: int
) -> None:
    """It is in its row, and in the exit status."""
    assert verdict is played.verdict
    monkeypatch.setattr(module_of("scenario"), "play_all", lambda *_: iter([played]))
    finished = call("scenario", TARGET, "idle")
    assert (expected, f"idle: {verdict.value}\n") == (finished.status, finished.stderr)
    assert verdict.value in finished.stdout.splitlines()[1].split()


# selftest


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("closed loop", {"requests_per_s": 4.0}),
        ("pipeline 16", {"requests_per_s": 4.0}),
        ("connecting", {"connects_per_s": 20.0}),
        ("1,000 clients", {"memory_bytes_each": 500.0}),
        ("open loop", {"planned_per_s": 20_000, "requests_per_s": 4.0, "lag_p99_s": 0.001}),
    ],
)
def test_the_figures_of_a_part(
    monkeypatch: pytest.MonkeyPatch, name: str, figures: dict[str, float]
) -> None:
    """Of its result, of what the null server used of the time, and of what agents weighed."""
    found = result(*[0.01] * 10)  # in 2.5 seconds
    found.tally.connections = 50
    found.tally.lag.record(0.001)

    def conduct(job: Job, arguments: dict[str, Any], *, view: Scales) -> Result:
        assert (part.plan, "127.0.0.1:9") == (job.plan, arguments["target"])
        view.weights = [(1, 1000), (11, 6000)]
        return found

    monkeypatch.setattr(ceiling, "conduct", conduct)
    part = next(one for one in parts(2.0) if one.name == name)
    tested = measure(part, cast(NullServer, Null(1.0, 2.0)), (0,))
    assert figures == pytest.approx(tested.figures)
    assert (VITALS.busy, 0.4) == (tested.generator, tested.server)
    assert found is tested.result
    assert 1.0 == measure(part, cast(NullServer, Null(1.0, 9.0)), (0,)).server  # it is one CPU


class Null:
    """A null server that is said to have been busy for so long, from look to look."""

    pid, target = 1, Target("127.0.0.1", 9)

    def __init__(self, *busy_s: float) -> None:
        self._busy = iter(busy_s)

    @property
    def busy_s(self) -> float:
        """So long, so far."""
        return next(self._busy)


@pytest.mark.parametrize(
    ("generator", "server", "expected"),
    [
        (0.9, 0.2, "generator"),
        (0.2, 0.9, "null server"),
        (0.8, 0.8, "generator"),
        (0.95, 0.96, "null server"),
        (0.79, 0.5, "neither"),
    ],
)
def test_who_could_do_no_more_is_the_bottleneck(
    generator: float, server: float, expected: str
) -> None:
    """Neither, where both had time left."""
    tested = ceiling.Tested("closed loop", {}, generator, server, WELL)
    assert expected == tested.bottleneck == tested.as_json()["bottleneck"]


@pytest.mark.parametrize(
    ("given", "expected"), [(WELL, 0), (ERRORS, 0), (DOUBTED, 0), (result(), 1), (LOST, 1)]
)
def test_a_selftest_fails_where_nothing_was_answered(
    call: Call, monkeypatch: pytest.MonkeyPatch, given: Result, expected: int
) -> None:
    """Errors are those of a machine that is too slow: they are told, and that is that."""

    def test(part: Part, *_: object) -> ceiling.Tested:
        return ceiling.Tested(part.name, {"requests_per_s": 1500.0}, 1.0, 0.5, given)

    monkeypatch.setattr(module_of("selftest"), "NullServer", lambda _: nullcontext())
    monkeypatch.setattr(module_of("selftest"), "measure", test)
    finished = call("selftest")
    assert expected == finished.status
    lines = finished.stdout.splitlines()
    assert ["100%", "50%", "generator", "1.50", "k", "requests/s"] == lines[1].split()[2:]
    assert ("closed loop: 1 errors" in lines) is (given is ERRORS)
    assert expected == call("selftest", "-o", "json").status
