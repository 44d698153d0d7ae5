"""Latencies as counts in buckets: three digits, from 1 µs to 1 h, merged by addition.

The buckets are those of HdrHistogram (Gil Tene, hdrhistogram.org) for values from 1 to
3,600,000,000 and three significant digits: 2,048 of one microsecond, then for each power of
two 1,024 that are twice as wide as those before. A bucket's width is less than a thousandth
of its values. Only buckets in use take memory.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

#: Microseconds of the longest latency; longer ones are counted as this.
LONGEST: Final = 3_600_000_000
#: Powers of two below which each microsecond has a bucket of its own.
_EXACT: Final = 11
_FIRST_DOUBLED: Final = 1 << _EXACT


class Histogram:
    """Counts of latencies.

    :param counts: buckets -> counts, as in `counts`.
    """

    __slots__ = ("counts",)

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        # Half the price of a Counter, at every request.
        self.counts: defaultdict[int, int] = defaultdict(int, counts or {})

    def record(self, seconds: float) -> None:
        """Count one latency; less than 0 is 0, more than an hour is an hour."""
        value = int(seconds * 1_000_000)
        if 0 <= value < _FIRST_DOUBLED:  # most of the time, so it does not call `_bucket`
            self.counts[value] += 1
        else:
            self.counts[_bucket(min(max(value, 0), LONGEST))] += 1

    def add(self, other: "Histogram") -> None:
        """Add the counts of another one: exact, in any order."""
        for bucket, count in other.counts.items():
            self.counts[bucket] += count

    @property
    def total(self) -> int:
        """How many latencies were counted."""
        return sum(self.counts.values())

    @property
    def min(self) -> float:
        """Seconds of the shortest, rounded down to its bucket; 0 without any."""
        return lowest(min(self.counts)) / 1e6 if self.counts else 0.0

    @property
    def max(self) -> float:
        """Seconds of the longest, rounded up to its bucket; 0 without any."""
        return highest(max(self.counts)) / 1e6 if self.counts else 0.0

    @property
    def mean(self) -> float:
        """Seconds, each latency taken for the middle of its bucket; 0 without any."""
        if not self.counts:
            return 0.0
        middles = ((lowest(i) + (width(i) >> 1)) * count for i, count in self.counts.items())
        return sum(middles) / self.total / 1e6

    def percentiles(self, wanted: Iterable[float]) -> list[float]:
        """Return the seconds that so many percent are at or below, each rounded up.

        :param wanted: percents from 0 to 100, in increasing order.
        """
        ranks = iter(self._ranks(wanted))
        results: list[float] = []
        rank, seen, bucket = next(ranks, None), 0, 0
        for bucket, count in sorted(self.counts.items()):
            seen += count
            while rank is not None and rank <= seen:
                results.append(highest(bucket) / 1e6)
                rank = next(ranks, None)
        return results or [0.0 for _ in wanted]

    def percentile(self, wanted: float) -> float:
        """Return the seconds that ``wanted`` percent are at or below."""
        return self.percentiles([wanted])[0]

    def _ranks(self, wanted: Iterable[float]) -> list[int]:
        """The nearest ranks, rounded as hdrhistogram does."""
        total = self.total
        return [max(int(percent * total / 100 + 0.5), 1) for percent in wanted]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Buckets in use, as (highest microseconds in it, count), in increasing order."""
        return ((highest(index), count) for index, count in sorted(self.counts.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.counts == other.counts

    __hash__ = None  # type: ignore[assignment]


def last() -> int:
    """The bucket of the longest latency: there is none after it."""
    return _bucket(LONGEST)


def _bucket(value: int) -> int:
    """The bucket of a number of microseconds."""
    shift = max(value.bit_length() - _EXACT, 0)
    return (shift << 10) + (value >> shift)


def width(index: int) -> int:
    """How many microseconds share the bucket."""
    return 1 << max((index >> 10) - 1, 0)


def lowest(index: int) -> int:
    """The fewest microseconds in the bucket."""
    shift = max((index >> 10) - 1, 0)
    return (index - (shift << 10)) << shift


def highest(index: int) -> int:
    """The most microseconds in the bucket."""
    return lowest(index) + width(index) - 1
