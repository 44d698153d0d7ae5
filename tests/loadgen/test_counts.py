"""Latencies as counts: exact sums, and the figures of HdrHistogram."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given
from hypothesis import strategies as st

from loadgen.counts import LONGEST, Histogram
from loadgen.counts.hdr import write_log
from loadgen.counts.histogram import highest, lowest, width

PERCENTS = (0.0, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0)
MICROS = st.lists(st.integers(1, LONGEST) | st.integers(1, 5000), min_size=1, max_size=200)


def counted(micros: Sequence[int]) -> Histogram:
    """A histogram of so many microseconds each."""
    histogram = Histogram()
    for one in micros:
        histogram.record((one + 0.5) / 1e6)  # in the middle: a float is not exact at its edge
    return histogram


def merged(*histograms: Histogram) -> Histogram:
    """Their sum."""
    total = Histogram()
    for histogram in histograms:
        total.add(histogram)
    return total


@given(micros=MICROS)
def test_figures_are_those_of_hdrhistogram(micros: list[int]) -> None:
    """Within a thousandth; the middle of a bucket may be another by half of one."""
    ours, oracle = counted(micros), HdrHistogram(1, LONGEST, 3)
    for one in micros:
        oracle.record_value(one)
    theirs = [oracle.get_value_at_percentile(percent) / 1e6 for percent in PERCENTS]
    assert pytest.approx(theirs, rel=0.001) == ours.percentiles(PERCENTS)
    assert pytest.approx(oracle.get_mean_value() / 1e6, rel=0.001) == ours.mean
    assert pytest.approx(min(micros) / 1e6, rel=0.001) == ours.min
    assert pytest.approx(max(micros) / 1e6, rel=0.001) == ours.max
    assert len(micros) == ours.total


@given(one=MICROS, two=MICROS, three=MICROS)
def test_a_sum_is_exact_in_any_order(one: list[int], two: list[int], three: list[int]) -> None:
    """As if all had been counted in one place."""
    a, b, c = counted(one), counted(two), counted(three)
    assert counted([*one, *two, *three]) == merged(a, b, c)
    assert merged(merged(a, b), c) == merged(a, merged(b, c))
    assert merged(a, b) == merged(b, a)
    assert counted(one) == a  # adding to another one changes nothing


@given(micros=st.integers(0, LONGEST))
def test_a_bucket_is_narrow_and_holds_what_is_in_it(micros: int) -> None:
    """To a thousandth of it, and no bucket overlaps the next."""
    (bucket,) = counted([micros]).counts
    assert lowest(bucket) <= micros <= highest(bucket)
    assert width(bucket) <= max(micros / 1000, 1)
    assert lowest(bucket + 1) == highest(bucket) + 1


@pytest.mark.parametrize(("seconds", "micros"), [(-1.0, 0), (0.0, 0), (1e9, LONGEST)])
def test_what_is_out_of_range_counts_at_its_edge(seconds: float, micros: int) -> None:
    """Less than nothing is nothing, more than an hour is an hour."""
    histogram = Histogram()
    histogram.record(seconds)
    (bucket,) = histogram.counts
    assert lowest(bucket) <= micros <= highest(bucket)


def test_without_any_latency_all_is_nothing() -> None:
    """And nothing fails."""
    empty = Histogram()
    assert (0, 0.0, 0.0, 0.0) == (empty.total, empty.min, empty.mean, empty.max)
    assert [0.0, 0.0] == empty.percentiles([50, 99])


@given(micros=MICROS)
def test_an_exported_log_is_read_by_the_tools_of_the_format(micros: list[int]) -> None:
    """With the same figures."""
    histogram = counted(micros)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "a.hdr")
        write_log(file, histogram, "2026-01-01T00:00:00+00:00", 2.0)
        reader = HistogramLogReader(str(file), HdrHistogram(1, LONGEST, 3))
        read = reader.get_next_interval_histogram()
        reader.close()
    assert histogram.total == read.get_total_count()
    theirs = [read.get_value_at_percentile(percent) / 1e6 for percent in PERCENTS]
    assert pytest.approx(theirs, rel=0.001) == histogram.percentiles(PERCENTS)
