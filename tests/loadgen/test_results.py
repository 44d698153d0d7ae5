"""Results: what is kept, read again, added up, asked and doubted; no socket, no clock."""

import io
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from loadgen.counts import ADVICE, Cause, Commanded, Fault, Histogram, Phase, Tally
from loadgen.engine.vitals import Vitals
from loadgen.results import Agent, NoResult, Result, Threshold, doubts, merge
from loadgen.views import as_csv, as_text

VITALS = Vitals(cpu_s=0.5, waited_s=0.1, sending_s=2.0, elapsed_s=2.5, memory_bytes=30_000_000)
FAULTS = st.builds(Fault, st.sampled_from(Phase), st.sampled_from(Cause))
COUNTS = st.dictionaries(st.integers(0, 20_000), st.integers(1, 1000), max_size=5)
HISTOGRAMS = COUNTS.map(Histogram)
NUMBERS = st.integers(0, 10**9)
TALLIES = st.builds(
    Tally,
    commands=st.dictionaries(
        st.sampled_from(["PING", "WAIT 0.05"]),
        st.builds(Commanded, NUMBERS, HISTOGRAMS, HISTOGRAMS, HISTOGRAMS),
    ),
    lag=HISTOGRAMS,
    connect=HISTOGRAMS,
    lost_requests=st.dictionaries(FAULTS, st.integers(1, 99)).map(Counter),
    lost_connections=st.dictionaries(FAULTS, st.integers(1, 99)).map(Counter),
    planned=NUMBERS,
    connections=NUMBERS,
    clients=NUMBERS,
    never_served=NUMBERS,
)
RESULTS = st.builds(
    Result,
    tally=TALLIES,
    agents=st.lists(st.builds(Agent, st.just("0/2"), st.none() | st.just(VITALS)), max_size=2),
    arguments=st.just({"target": "127.0.0.1:8090", "seed": 7}),
    begun=st.just("2026-01-01T00:00:00.000+00:00"),
    machine=st.just({"cpus": 2}),
    versions=st.just({"python": "CPython 3.11"}),
    interrupted=st.booleans(),
    wrong=st.none() | st.just(["PING", "PANG\n"]),
    doubts=st.just([]) | st.just(["late"]),
)
SUMMARY = {"count", "min", "mean", "p50", "p90", "p95", "p99", "p999", "max", "counts"}
BOUNDED = SUMMARY | {"at_least_from", "at_least_counts"}


def result(*seconds: float, given_up: tuple[float, ...] = (), vitals: Vitals = VITALS) -> Result:
    """A result with these response times."""
    commanded = Commanded(sent=len(seconds) + len(given_up))
    for one in (*seconds, *given_up):
        commanded.response.record(one)
        commanded.service.record(one)
    for one in given_up:
        commanded.at_least.record(one)
    return Result(Tally({"PING": commanded}), [Agent("0/1", vitals)], {}, "2026-01-01T00:00:00Z")


@given(original=RESULTS)
def test_what_is_written_can_be_read(original: Result) -> None:
    """All of it, and it is written the same again."""
    text = json.dumps(original.as_json())
    read = Result.from_json(text)
    assert original == read
    assert text == json.dumps(read.as_json())


@given(one=RESULTS, other=RESULTS)
def test_results_are_added_count_by_count(one: Result, other: Result) -> None:
    """In either order."""
    both, turned = merge([one, other]), merge([other, one])
    assert both.tally == turned.tally
    assert one.tally.response.total + other.tally.response.total == both.tally.response.total
    assert one.tally.errors + other.tally.errors == both.tally.errors
    assert [*one.agents, *other.agents] == both.agents


def test_the_form_is_the_one_that_is_documented() -> None:
    """A key that appears or vanishes is a change of the schema."""
    data = result(0.001, given_up=(5.0,)).as_json()
    assert "dumb_async.loadgen.result/1" == data["schema"]
    assert {
        "schema", "begun", "arguments", "seed", "machine", "versions", "agents", "interrupted",
        "partial", "valid", "doubts", "wrong", "elapsed_s", "sending_s", "requests", "sent",
        "planned", "rate_per_s", "sent_per_s", "errors", "connections", "response_s", "service_s",
        "lag_s", "connect_s", "commands",
    } == data.keys()  # fmt: skip
    assert {"total", "ratio", "kinds"} == data["errors"].keys()
    assert {"clients", "made", "never_served"} == data["connections"].keys()
    assert BOUNDED == data["response_s"].keys()
    assert SUMMARY == data["service_s"].keys() == data["lag_s"].keys() == data["connect_s"].keys()
    assert {"sent", "response_s", "service_s"} == data["commands"]["PING"].keys()
    assert {"share", "lost", "cpu_s", "waited_s", "sending_s", "elapsed_s", "memory_bytes",
            "connecting_s"} == data["agents"][0].keys()  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [{"schema": "x"}, {"tally": 1, "agents": 3}, {"commands": []}, {"errors": {}}, {"lag_s": 5},
     {"agents": [{}]}, {"response_s": None, "commands": {"PING": 1}}],
)  # fmt: skip
def test_what_is_no_result_is_said_in_a_line(change: dict[str, Any]) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(NoResult) as raised:
        Result.from_json(json.dumps(result(0.001).as_json() | change))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "met"),
    [("p99<50ms", True), ("p99<=9ms", False), ("p50<1us", False), ("max<1s", True),
     ("mean>1ms", True), ("min>=1ms", True), ("service.p99.9<20ms", True), ("rate>1", True),
     ("rate>1M", False), ("requests>=10", True), ("errors<0.1%", True), ("errors<=0", True),
     ("never_served<1", True), ("lag.p99<1ms", False), ("p999<1s", True)],
)  # fmt: skip
def test_thresholds_are_judged(text: str, met: bool) -> None:
    """A latency of which there is none meets no limit."""
    threshold = Threshold.parse(text)
    ten = result(*[0.001 * n + 0.0005 for n in range(1, 11)])
    assert met is threshold.is_met(ten)
    assert text in threshold.show(ten)
    assert threshold.show(ten).startswith("met" if met else "MISSED")


@pytest.mark.parametrize("text", ["", "p99", "p101<1s", "p99<", "p99<x", "foo<1", "x.p99<1s",
                                  "rate<1%", "errors<1ms", "p99=1s", "p99<1s<2s"])  # fmt: skip
def test_what_is_no_threshold_is_said_so(text: str) -> None:
    """In one line."""
    with pytest.raises(ValueError, match=r"threshold|duration|number"):
        Threshold.parse(text)


def test_a_generator_without_cpu_to_spare_is_doubted() -> None:
    """Whether it had the CPU or waited for it."""
    assert [] == doubts(result(0.001))
    for busy in (replace(VITALS, cpu_s=1.95), replace(VITALS, waited_s=1.5)):
        (doubt,) = doubts(result(0.001, vitals=busy))
        assert "agent 0/1 wanted" in doubt


def test_a_generator_that_is_late_is_doubted() -> None:
    """If that is of weight beside the response times."""
    for lag, response, doubted in [(0.05, 0.1, 1), (0.05, 1.0, 0), (0.005, 0.006, 0)]:
        late = result(response)
        late.tally.lag.record(lag)
        assert doubted == len(doubts(late))


def test_every_cause_says_what_to_do() -> None:
    """There is none without advice."""
    assert set(Cause) == ADVICE.keys()


def test_lower_bounds_are_marked() -> None:
    """From the shortest that was given up, and no others."""
    text = shown(result(*[0.001] * 98, given_up=(2.0, 3.0)))
    (line,) = (line for line in text.splitlines() if line.startswith("response"))
    assert ["≥", "51.0", "1.00", "1.00", "1.00", "≥", "2.00", "≥", "3.00", "≥", "3.00"] == [
        word for word in line.split()[1:] if word not in {"ms", "s"}
    ]
    assert "lower bounds" in text


@given(anything=RESULTS)
def test_any_result_can_be_shown(anything: Result) -> None:
    """Also one without anything in it, for people and as a table."""
    text = shown(anything)
    for fault in anything.tally.lost_requests:
        assert str(fault) in text
    assert len(anything.tally.commands) + 2 == as_csv(anything).count("\n")


def shown(result: Result) -> str:
    """What people see."""
    console = Console(file=io.StringIO(), width=140, highlight=False)
    as_text(result, console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()
