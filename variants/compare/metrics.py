"""Figures of one measurement: what contestants are compared by, and what is told besides."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from loadgen.results import Result

from .report import Measurement, Observation
from .usage import Usage


class Mark(Enum):
    """Why a round is to be taken with caution."""

    GENERATOR = "generator saturated"
    DISTURBED = "machine disturbed"


@dataclass(frozen=True, slots=True)
class Metric:
    """What contestants are compared by.

    :param of: takes it from a measurement; ``None`` where there is none.
    """

    name: str
    title: str
    unit: str
    of: Callable[[Measurement], float | None]
    higher_is_better: bool = False


def error_kinds(one: Measurement) -> Counter[str]:
    """Errors of a measurement, by what they are."""
    kinds: Counter[str] = Counter()
    if one.result:
        tally = one.result.tally
        # A connection that is lost with a request under way is in both.
        for fault, count in (tally.lost_requests | tally.lost_connections).items():
            kinds[str(fault)] += count
    return kinds


def never_served(one: Measurement) -> int:
    """Clients without any reply: all, where it did not come to a run."""
    return one.result.tally.never_served if one.result else one.connections


def marks_of(one: Measurement | Observation) -> list[Mark]:
    """Why it is to be taken with caution."""
    marks = [Mark.GENERATOR] if one.result and one.result.doubts else []
    return [*marks, Mark.DISTURBED] if one.disturbance and one.disturbance.reasons else marks


def _of_result(figure: Callable[[Result], float]) -> Callable[[Measurement], float | None]:
    """Take it from a result with replies in it."""
    return lambda one: figure(one.result) if one.result and one.result.tally.replies else None


def _rate_of_its_own(one: Measurement) -> float | None:
    """None where it was given: then all have the same, and the ratio says nothing."""
    given = one.result and one.result.arguments.get("rate")
    return None if given else FIGURES["rate"](one)


def _of_usage(figure: Callable[[Usage], float | None]) -> Callable[[Measurement], float | None]:
    return lambda one: figure(one.usage) if one.usage else None


def _per_request(seconds: Callable[[Usage], float]) -> Callable[[Measurement], float | None]:
    """Microseconds of CPU for each reply."""

    def figure(one: Measurement) -> float | None:
        if not (one.usage and one.result and one.result.tally.replies):
            return None
        return seconds(one.usage) / one.result.tally.replies * 1e6

    return figure


def _per_second(count: Callable[[Usage], int]) -> Callable[[Usage], float | None]:
    return lambda usage: count(usage) / usage.seconds if usage.seconds else None


def _latency(percent: float) -> Callable[[Measurement], float | None]:
    return _of_result(lambda result: result.tally.response.percentile(percent))


#: By the names they have in `Scaled`.
FIGURES: Final[dict[str, Callable[[Measurement], float | None]]] = {
    "rate": _of_result(lambda result: result.rate),
    "p50": _latency(50),
    "p99": _latency(99),
    "p999": _latency(99.9),
    "cpu_us": _per_request(lambda usage: usage.cpu_s),
    "user_us": _per_request(lambda usage: usage.cpu_s * usage.user_share),
    "system_us": _per_request(lambda usage: usage.cpu_s * (1 - usage.user_share)),
    "cpus": _of_usage(lambda usage: usage.cpus),
    # Of a server that has died there is nothing to measure: that is no 0.
    "threads": _of_usage(lambda usage: usage.threads or None),
    "resident_bytes": _of_usage(lambda usage: usage.resident_bytes or None),
    "virtual_bytes": _of_usage(lambda usage: usage.virtual_bytes or None),
    "bytes_per_connection": _of_usage(lambda usage: usage.bytes_per_connection),
    "voluntary": _of_usage(_per_second(lambda usage: usage.voluntary)),
    "involuntary": _of_usage(_per_second(lambda usage: usage.involuntary)),
}
#: In the order of what most people ask first.
METRICS: Final = (
    Metric("rate", "Throughput", "requests/s", _rate_of_its_own, higher_is_better=True),
    Metric("p99", "p99", "s", FIGURES["p99"]),
    Metric("cpu", "CPU time a request", "µs", FIGURES["cpu_us"]),
)
