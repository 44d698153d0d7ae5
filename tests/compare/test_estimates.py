"""Statistics against known answers: ratios, intervals, and how often they are right."""

import math
import random
from collections.abc import Callable, Sequence
from statistics import geometric_mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variants.compare.estimates import (
    CONFIDENCE,
    Estimate,
    Verdict,
    estimate,
    estimate_unpaired,
    typical_deviation,
)

RATIOS = st.lists(st.floats(0.01, 100), min_size=5, max_size=12)
FACTORS = st.floats(0.01, 100)

#: How a round's logarithm is off, in ways that a machine has: none of them is off on average.
NOISES: dict[str, Callable[[random.Random], float]] = {
    "normal": lambda draw: draw.gauss(0, 0.05),
    "uniform": lambda draw: draw.uniform(-0.1, 0.1),
    "slow spells": lambda draw: 0.05 * (draw.expovariate(1) - draw.expovariate(1)),
    "outliers": lambda draw: draw.gauss(0, 0.03) * (10 if draw.random() < 0.1 else 1),
}
#: Comparisons in which two that are the same are compared.
TRIALS = 200


def close(expected: float, actual: float) -> bool:
    """Whether they are the same but for rounding."""
    return math.isclose(expected, actual, rel_tol=1e-6)


@settings(max_examples=40)
@given(RATIOS)
def test_the_ratio_is_the_geometric_mean_and_in_its_interval(ratios: list[float]) -> None:
    """Twice as fast and half as fast weigh the same."""
    found = estimate(ratios)
    assert close(geometric_mean(ratios), found.ratio)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.ratio * (1 + 1e-9)
    assert found.ratio <= found.high * (1 + 1e-9)
    assert found.rounds == len(ratios)


@settings(max_examples=40)
@given(RATIOS)
def test_it_does_not_matter_who_is_compared_with_whom(ratios: list[float]) -> None:
    """The other way round everything is inverse, and so is the verdict."""
    one, other = estimate(ratios), estimate([1 / ratio for ratio in ratios])
    assert one.low is not None
    assert one.high is not None
    assert other.low is not None
    assert other.high is not None
    assert close(one.ratio, 1 / other.ratio)
    assert close(one.low * other.high, 1) or 0 in {one.low, other.low}
    opposite = {Verdict.FASTER: Verdict.SLOWER, Verdict.SLOWER: Verdict.FASTER}
    if not any(close(1, bound) for bound in (one.low, one.high)):
        assert other.verdict() is opposite.get(one.verdict(), one.verdict())


@settings(max_examples=40)
@given(RATIOS, FACTORS)
def test_a_machine_that_is_faster_makes_no_interval_wider(
    ratios: list[float], factor: float
) -> None:
    """All ratios times a factor is the estimate times that factor."""
    one, other = estimate(ratios), estimate([ratio * factor for ratio in ratios])
    assert close(one.ratio * factor, other.ratio)
    if one.low and other.low:
        assert close(one.low * factor, other.low)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_where_all_rounds_say_the_same_there_is_no_doubt(ratio: float) -> None:
    """Not even where that is no difference."""
    found = estimate([ratio] * 5)
    assert all(value is not None and close(ratio, value) for value in (found.low, found.high))
    expected = {0.5: Verdict.SLOWER, 1.0: Verdict.SAME, 3.0: Verdict.FASTER}
    assert expected[ratio] is found.verdict()


@pytest.mark.parametrize(("noise", "rounds"), [*((noise, 5) for noise in NOISES), ("outliers", 8)])
def test_a_pair_of_the_same_is_no_difference_at_the_promised_rate(noise: str, rounds: int) -> None:
    """Of so many comparisons no more are called a difference than 5 %, and chance, allow.

    Four standard deviations of chance: one that kept only 84 % would not get through.
    """
    draw = random.Random(7)
    found = [estimate(samples(draw, noise, rounds)).verdict() for _ in range(TRIALS)]
    assert most_allowed() >= TRIALS - found.count(Verdict.SAME)


@pytest.mark.parametrize("noise", ["normal", "outliers"])
def test_so_it_is_between_reports(noise: str) -> None:
    """Where rounds are not paired."""
    draw = random.Random(8)
    found = [
        estimate_unpaired(samples(draw, noise, 5), samples(draw, noise, 5)).verdict()
        for _ in range(TRIALS)
    ]
    assert most_allowed() >= TRIALS - found.count(Verdict.SAME)


def samples(draw: random.Random, noise: str, count: int) -> list[float]:
    """As many figures of something that is always the same, but for the noise."""
    return [math.exp(NOISES[noise](draw)) for _ in range(count)]


def most_allowed() -> float:
    """How many of `TRIALS` may be wrong."""
    wrong = 1 - CONFIDENCE
    return TRIALS * wrong + 4 * math.sqrt(TRIALS * wrong * CONFIDENCE)


@settings(max_examples=30)
@given(st.sampled_from([0.4, 0.7, 1.5, 3.0]), st.integers(0, 10**6))
def test_a_difference_that_is_there_is_found(true: float, seed: int) -> None:
    """Far larger than the noise, it is in every interval or near it, and called by its name."""
    draw = random.Random(seed)
    ratios = [true * math.exp(draw.uniform(-0.02, 0.02)) for _ in range(5)]
    found = estimate(ratios)
    assert (Verdict.FASTER if true > 1 else Verdict.SLOWER) is found.verdict()
    unpaired = estimate_unpaired([100 * ratio for ratio in ratios], [100.0, 101, 99, 100.5, 99.5])
    assert found.verdict() is unpaired.verdict()
    assert math.isclose(true, unpaired.ratio, rel_tol=0.05)


def test_what_is_better_depends_on_the_figure() -> None:
    """Twice the latency is slower, twice the throughput is faster."""
    found = estimate([2.0, 2.1, 1.9, 2.0, 2.05])
    assert Verdict.FASTER is found.verdict()
    assert Verdict.SLOWER is found.verdict(higher_is_better=False)


@pytest.mark.parametrize("ratio", [1.2, 1 / 1.2])
def test_a_difference_within_the_noise_is_none(ratio: float) -> None:
    """Even if its interval leaves out 1: so much a server differs from itself."""
    found = Estimate(ratio, ratio / 1.05, ratio * 1.05, 5)
    assert Verdict.SAME is not found.verdict(1.1)
    assert Verdict.SAME is found.verdict(1.25)


@given(st.lists(FACTORS, min_size=1, max_size=4))
def test_few_rounds_have_no_verdict(ratios: list[float]) -> None:
    """A ratio, and nothing that says how sure it is."""
    found = estimate(ratios)
    assert (None, None) == (found.low, found.high)
    assert Verdict.OPEN is found.verdict()
    assert Verdict.OPEN is estimate_unpaired(ratios, [1.0] * 9).verdict()


@pytest.mark.parametrize("ratios", [[], [1.0, 0.0], [1.0, -1.0], [math.inf], [math.nan]])
def test_what_is_no_ratio_is_refused(ratios: list[float]) -> None:
    """Nothing is made of it quietly."""
    with pytest.raises(ValueError, match="over 0"):
        estimate(ratios)
    with pytest.raises(ValueError, match="over 0"):
        estimate_unpaired(ratios, [1.0])


@pytest.mark.parametrize(
    ("ratios", "expected"), [([], 1.0), ([0.5], 2.0), ([2.0, 0.5, 1.0], 2.0), ([1, 1.1, 4], 1.1)]
)
def test_the_noise_is_the_typical_deviation(ratios: Sequence[float], expected: float) -> None:
    """Either way, and one round that was far off does not count for more."""
    assert close(expected, typical_deviation(ratios))
