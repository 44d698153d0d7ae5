"""What follows from a report, as the views show it: data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from .diagnosis import State
from .estimates import Estimate, Verdict
from .metrics import Mark


@dataclass(frozen=True, slots=True)
class Comparison:
    """A contestant beside the reference, by one metric, under one load.

    :param noise: the factor, at least 1, by which the reference typically differs from itself,
        under this workload.
    """

    estimate: Estimate
    noise: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Scaled:
    """One contestant under one load: medians over its rounds; ``None`` where there is nothing.

    :param rounds: in which it served to the end; ``failures``: what became of it in others.
    :param latencies: seconds of p50, p99, p99.9, from the planned instant of a request on.
    :param replies: of all rounds, as ``errors``; ``error_kinds``: how many of each.
    :param never_served: clients without any reply, in the worst round.
    :param cpus: how many it kept busy; ``user_us`` and ``system_us``: a request's part in it.
    :param voluntary: context switches a second, as ``involuntary``.
    :param marks: rounds to be taken with caution, by reason.
    :param comparisons: by metric; of the reference those with its second self.
    """

    contestant: str
    workload: str
    connections: int
    rounds: int
    failures: tuple[str, ...]
    rate: float | None
    p50: float | None
    p99: float | None
    p999: float | None
    replies: int
    errors: int
    error_kinds: Mapping[str, int]
    never_served: int
    cpu_us: float | None
    user_us: float | None
    system_us: float | None
    cpus: float | None
    threads: float | None
    resident_bytes: float | None
    virtual_bytes: float | None
    bytes_per_connection: float | None
    voluntary: float | None
    involuntary: float | None
    marks: Mapping[Mark, int]
    comparisons: Mapping[str, Comparison]

    @property
    def served(self) -> int:
        """Clients that had any reply, in the worst round."""
        return self.connections - self.never_served


@dataclass(frozen=True, slots=True)
class Watched:
    """What a bystander had of one contestant beside one kind of trouble.

    :param p50: seconds, as ``p99``, medians over rounds; ``None``: nothing was answered.
    :param longest: seconds of the longest of all rounds.
    :param asked: PINGs that were due, in all rounds; ``answered`` of them rightly.
    :param reason: why it is as it is, where that is not well.
    """

    contestant: str
    scenario: str
    state: State
    p50: float | None
    p99: float | None
    longest: float | None
    asked: int
    answered: int
    reason: str
    marks: Mapping[Mark, int]


@dataclass(frozen=True, slots=True)
class Fall:
    """Where a contestant does not serve everyone any more.

    :param served: clients of ``connections`` that had any reply, in the worst round.
    """

    contestant: str
    workload: str
    connections: int
    served: int
    reason: str


@dataclass(frozen=True, slots=True)
class Findings:
    """All that follows from a report.

    :param against: whom contestants are compared with.
    """

    against: str
    watched: list[Watched] = field(default_factory=list)
    scaled: list[Scaled] = field(default_factory=list)
    falls: list[Fall] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes; docs/compare.md describes it."""
        data: dict[str, Any] = plain(asdict(self))
        return data


def plain(value: Any) -> Any:
    """Return what `json.dumps` takes: the same with the values of enumerations in their place."""
    match value:
        case Enum():
            return value.value
        case dict():
            return {plain(key): plain(one) for key, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case float() if value in (float("inf"), float("-inf")):
            return None  # JSON has no infinity
    return value
