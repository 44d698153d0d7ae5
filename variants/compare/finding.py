"""From what was measured to what follows: medians over rounds, ratios, verdicts. No I/O."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Final, TypeVar

from .diagnosis import State, reason_of, state_of
from .estimates import Verdict, estimate, typical_deviation
from .findings import Comparison, Fall, Findings, Scaled, Watched
from .metrics import FIGURES, METRICS, Mark, Metric, error_kinds, marks_of, never_served
from .report import Measurement, Observation, Report

#: The share of errors from which on a server has fallen over.
FALLEN: Final = 0.01

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def find(report: Report, against: str | None = None) -> Findings:
    """Work out everything.

    :param against: whom to compare with, if not whom the study says. Only that one has an A/A
        pair: beside another one a difference has no noise to exceed.
    """
    against = against or report.study["against"]
    findings = Findings(against)
    noises = _noises(report.measurements, against)
    rounds = _by(report.measurements, lambda one: (one.workload, one.connections))
    for (workload, connections), measured in sorted(rounds.items(), key=_place(report)):
        cell = _Cell(workload, connections, measured, against, noises[workload])
        findings.scaled.extend(map(cell.scaled, filter(cell.has, report.contestants)))
    findings.falls.extend(_falls(findings.scaled))
    watched = _by(report.observations, lambda one: (one.contestant, one.scenario))
    findings.watched.extend(map(_watched, watched.values()))
    return findings


def _place(report: Report) -> Callable[[tuple[tuple[str, int], Any]], tuple[int, int]]:
    """Where a load comes in what is shown, whatever order they were measured in."""
    workloads = list(report.study["workloads"])
    return lambda item: (workloads.index(item[0][0]), item[0][1])


class _Cell:
    """All rounds of one load."""

    def __init__(
        self,
        workload: str,
        connections: int,
        measured: Sequence[Measurement],
        against: str,
        noises: Mapping[str, float],
    ) -> None:
        self._load = workload, connections
        self._first = _by((one for one in measured if not one.again), lambda one: one.contestant)
        self._second = [one for one in measured if one.again and one.contestant == against]
        self._against = against
        self._noises = noises

    def has(self, name: str) -> bool:
        return name in self._first

    def scaled(self, name: str) -> Scaled:
        measured = self._first[name]
        figures: dict[str, Any] = {
            figure: _median(map(of, measured)) for figure, of in FIGURES.items()
        }
        kinds: Counter[str] = Counter()
        for one in measured:
            kinds.update(error_kinds(one))
        return Scaled(
            name,
            *self._load,
            rounds=sum(not one.failure for one in measured),
            failures=tuple(dict.fromkeys(one.failure for one in measured if one.failure)),
            replies=sum(one.result.tally.replies for one in measured if one.result),
            errors=kinds.total(),
            error_kinds=dict(kinds.most_common()),
            never_served=max(never_served(one) for one in measured),
            marks=_marks(measured),
            comparisons=self._comparisons(name),
            **figures,
        )

    def _comparisons(self, name: str) -> dict[str, Comparison]:
        others = self._first.get(self._against, [])
        mine = self._second if name == self._against else self._first[name]
        unequal, results = _has_fallen([*mine, *others]), {}
        for metric in METRICS:
            if ratios := _ratios(metric, mine, others):
                estimated, noise = estimate(ratios), self._noises[metric.name]
                verdict = estimated.verdict(noise, higher_is_better=metric.higher_is_better)
                verdict = Verdict.UNEQUAL if unequal else verdict
                results[metric.name] = Comparison(estimated, noise, verdict)
        return results


def _noises(measured: Iterable[Measurement], against: str) -> dict[str, dict[str, float]]:
    """By workload and metric, how far the reference typically is from itself, under any load."""
    pairs = _by((one for one in measured if one.contestant == against), lambda one: one.workload)
    noises: defaultdict[str, dict[str, float]] = defaultdict(
        lambda: {metric.name: 1.0 for metric in METRICS}
    )
    for workload, both in pairs.items():
        second = [one for one in both if one.again]
        first = [one for one in both if not one.again]
        for metric in METRICS:
            noises[workload][metric.name] = typical_deviation(_ratios(metric, second, first))
    return noises


def _has_fallen(measured: Iterable[Measurement]) -> bool:
    """Whether, in any round, it did not serve everyone to the end."""
    return any(one.failure or never_served(one) for one in measured)


def _marks(measured: Iterable[Measurement | Observation]) -> dict[Mark, int]:
    return dict(Counter(mark for one in measured for mark in marks_of(one)))


def _ratios(
    metric: Metric, mine: Sequence[Measurement], others: Sequence[Measurement]
) -> list[float]:
    """Those of all rounds in which both have the metric."""
    theirs = {(one.round, one.connections): metric.of(one) for one in others}
    pairs = ((metric.of(one), theirs.get((one.round, one.connections))) for one in mine)
    return [a / b for a, b in pairs if a and b]


def _falls(scaled: Sequence[Scaled]) -> Iterator[Fall]:
    """For each contestant and workload, the fewest connections at which it has fallen over."""
    for (name, workload), cells in _by(scaled, lambda one: (one.contestant, one.workload)).items():
        for one in sorted(cells, key=lambda one: one.connections):
            if reason := _why_fallen(one):
                yield Fall(name, workload, one.connections, one.served, reason)
                break


def _why_fallen(one: Scaled) -> str:
    kinds = ", ".join(f"{kind} ({count:,})" for kind, count in one.error_kinds.items())
    if one.failures:
        return one.failures[0]
    if one.never_served:
        text = f"{one.never_served:,} of {one.connections:,} clients were never served"
        return f"{text} ({kinds})" if kinds else text
    return f"errors: {kinds}" if one.errors > FALLEN * (one.replies + one.errors) else ""


def _watched(observations: Sequence[Observation]) -> Watched:
    first = observations[0]
    results = [one.result for one in observations if one.result]
    answered = [result for result in results if result.tally.replies]
    responses = [result.tally.response for result in answered]
    worst = max(observations, key=lambda one: list(State).index(state_of(one)))
    return Watched(
        first.contestant,
        first.scenario,
        state=state_of(worst),
        p50=_median(response.percentile(50) for response in responses),
        p99=_median(response.percentile(99) for response in responses),
        longest=max((response.max for response in responses), default=None),
        asked=sum(result.tally.planned for result in results),
        answered=sum(result.tally.replies for result in results),
        reason=reason_of(worst),
        marks=_marks(observations),
    )


def _by(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Group what has the same key, in the order in which they come."""
    groups: defaultdict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
