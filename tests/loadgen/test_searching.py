"""Searches over loads: which rate is tried next, where a knee is; no socket, no clock."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.counts import Commanded, Tally
from loadgen.engine.vitals import Vitals
from loadgen.results import Agent, Result
from loadgen.searching import Bisection, Curve, Point, good

RATES = st.floats(1, 1e6)


def search(bisection: Bisection, capacity: float) -> int:
    """Let a server that holds up to ``capacity`` be searched; return how many tries it took."""
    tries = 0
    while bisection.next is not None:
        tries += 1
        assert tries < 200
        bisection.tell(held=bisection.next <= capacity)
    return tries


@given(start=RATES, capacity=RATES, precision=st.floats(0.01, 1))
def test_the_highest_rate_is_found(start: float, capacity: float, precision: float) -> None:
    """To within the precision, from below, in few tries, wherever it begins."""
    bisection = Bisection(start, precision)
    tries = search(bisection, capacity)
    if bisection.held:
        assert bisection.held <= capacity < bisection.held * (1 + precision) * (1 + 1e-9)
    else:
        assert capacity < 2  # halved down to the lowest there is
    assert tries <= abs(math.log2(capacity / start)) + math.log2(1 / math.log2(1 + precision)) + 4


@given(start=RATES, highest=RATES)
def test_no_rate_is_over_the_highest(start: float, highest: float) -> None:
    """A server that holds everything is tried with that and no more."""
    bisection = Bisection(start, highest=highest)
    while bisection.next is not None:
        assert bisection.next <= highest
        bisection.tell(held=True)
    assert highest == bisection.held


@given(start=RATES)
def test_a_server_that_holds_nothing_is_given_up(start: float) -> None:
    """Nothing is said to be held."""
    bisection = Bisection(start)
    search(bisection, 0)
    assert 0 == bisection.held


def test_a_rate_that_was_luck_is_given_up_for_a_lower_one() -> None:
    """By the precision, down to the lowest."""
    bisection = Bisection(100, 0.5, lowest=40)
    bisection.tell(held=True)
    for expected in (100 / 1.5, 100 / 2.25, 0.0):
        bisection.step_down()
        assert pytest.approx(expected) == bisection.held


def result_of(
    latencies: list[float], *, given_up: tuple[float, ...] = (), seconds: float = 1.0
) -> Result:
    """A result with these response times."""
    commanded = Commanded(sent=len(latencies) + len(given_up))
    for latency in (*latencies, *given_up):
        commanded.response.record(latency)
    for latency in given_up:
        commanded.at_least.record(latency)
    vitals = Vitals(cpu_s=0.1, waited_s=0.0, sending_s=seconds, elapsed_s=seconds, memory_bytes=1)
    return Result(Tally({"PING": commanded}), [Agent("0/1", vitals)], {}, "2026-01-01T00:00:00Z")


def test_goodput_is_what_came_in_time() -> None:
    """Late replies are of no use, nor are requests that were given up."""
    result = result_of([0.01] * 5 + [0.5], given_up=(0.05, 2.0), seconds=2.0)
    assert 5 == good(result.tally, 0.1)
    assert 2.5 == Point(10, result, 0.1).goodput


def test_the_knee_is_where_power_is_highest() -> None:
    """Beyond it goodput grows no more, and response times do."""
    loads = [(10, [0.001] * 10), (100, [0.001] * 100), (1000, [0.1] * 200)]
    curve = Curve("rate", [Point(offered, result_of(ls), 0.2) for offered, ls in loads])
    assert curve.knee is curve.points[1]
    assert curve.recovery is None
    curve.afterwards = Point(10, result_of([0.003] * 10), 0.2)
    assert pytest.approx(3, rel=0.01) == curve.recovery
    assert [10, 100, 1000] == [point["offered"] for point in curve.as_json()["points"]]
    assert 100 == curve.as_json()["knee"]


def test_without_any_reply_there_is_no_knee() -> None:
    """Nor a recovery."""
    silent = Point(10, result_of([]), 0.1)
    curve = Curve("rate", [silent], silent)
    assert (None, None) == (curve.knee, curve.recovery)
