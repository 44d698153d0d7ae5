"""An old report beside a new one: what has changed, and what got worse by too much. No I/O."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from .estimates import Estimate, Verdict, estimate_unpaired
from .findings import plain
from .metrics import METRICS, Metric
from .report import Measurement, Report

#: What a figure may get worse by, unless said otherwise.
THRESHOLD: Final = 0.05


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one figure of a contestant under one load.

    :param metric: its name.
    :param estimate: of the new by the old.
    :param past: whether it got worse by more than the threshold.
    """

    contestant: str
    workload: str
    connections: int
    metric: str
    estimate: Estimate
    verdict: Verdict
    past: bool

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes."""
        data: dict[str, Any] = plain(asdict(self))
        return data


def changes(new: Report, old: Report, threshold: float = THRESHOLD) -> Iterator[Change]:
    """Yield what there is in both reports, and how it has changed.

    Their rounds have nothing to do with each other, so that a machine that was slower as a
    whole is a change, too: the reference's own tells.

    :param threshold: a share: 0.05 allows a throughput of 95 %, a p99 of 1 / 0.95.
    """
    before, after = _rounds(old), _rounds(new)
    for key in (key for key in after if key in before):
        for metric in METRICS:
            figures = [_figures(metric, rounds[key]) for rounds in (after, before)]
            if all(figures):
                estimated = estimate_unpaired(*figures)
                verdict = estimated.verdict(higher_is_better=metric.higher_is_better)
                gain = estimated.ratio if metric.higher_is_better else 1 / estimated.ratio
                past = verdict is Verdict.SLOWER and gain < 1 - threshold
                yield Change(*key, metric.name, estimated, verdict, past)


def differences(new: Report, old: Report) -> list[str]:
    """Say, a line each, in what the reports differ although it should be the same."""
    lines = [
        f"{what} differs: {_shown(before)} then, {_shown(after)} now"
        for what, before, after in (
            ("the machine", old.machine, new.machine),
            ("the software", old.versions, new.versions),
            ("the CPUs used", old.study["cpus"], new.study["cpus"]),
            ("the time of a load", old.study["seconds"], new.study["seconds"]),
        )
        if before != after
    ]
    mixes = old.study["workloads"]
    return lines + [
        f"the workload {name} differs: {mixes[name]} then, {mix} now"
        for name, mix in new.study["workloads"].items()
        if mixes.get(name, mix) != mix
    ]


def _rounds(report: Report) -> dict[tuple[str, str, int], list[Measurement]]:
    found: dict[tuple[str, str, int], list[Measurement]] = {}
    for one in report.measurements:
        if not one.again:
            found.setdefault((one.contestant, one.workload, one.connections), []).append(one)
    return found


def _figures(metric: Metric, rounds: list[Measurement]) -> list[float]:
    return [figure for one in rounds if (figure := metric.of(one))]


def _shown(value: object) -> str:
    return ", ".join(map(str, value.values())) if isinstance(value, dict) else str(value)
