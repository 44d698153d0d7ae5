"""A server under more and more load: where its knee is, and whether it recovers."""

from dataclasses import dataclass, field
from typing import Any

from ..counts import Tally
from ..results import Result


@dataclass(frozen=True, slots=True)
class Point:
    """One load, and what came of it.

    :param offered: clients, or requests a second.
    :param limit: seconds within which a reply is of use.
    """

    offered: float
    result: Result
    limit: float

    @property
    def goodput(self) -> float:
        """Replies a second that came in time to be of use."""
        elapsed = self.result.elapsed
        return good(self.result.tally, self.limit) / elapsed if elapsed else 0.0

    @property
    def power(self) -> float:
        """Goodput by mean response time: at its highest where more load is no more gain.

        (Kleinrock 1979, "Power and deterministic rules of thumb".)
        """
        mean = self.result.tally.response.mean
        return self.goodput / mean if mean else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes."""
        return {
            "offered": self.offered,
            "goodput_per_s": self.goodput,
            "power": self.power,
            "result": self.result.as_json(),
        }


@dataclass(slots=True)
class Curve:
    """Points by increasing load, and one more like the first, after all others.

    :param over: what is increased: ``connections`` or ``rate``.
    """

    over: str
    points: list[Point] = field(default_factory=list)
    afterwards: Point | None = None

    @property
    def knee(self) -> Point | None:
        """The point of the highest power; ``None`` where nothing was answered."""
        best = max(self.points, key=lambda point: point.power, default=None)
        return best if best and best.power else None

    @property
    def recovery(self) -> float | None:
        """The p99 of the first load, after all others, by what it was before; 1: recovered."""
        if not self.points or self.afterwards is None:
            return None
        before = self.points[0].result.tally.response.percentile(99)
        after = self.afterwards.result.tally.response
        return after.percentile(99) / before if before and after.counts else None

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes; docs/loadgen.md describes it."""
        return {
            "schema": "dumb_async.loadgen.sweep/1",
            "over": self.over,
            "points": [point.as_json() for point in self.points],
            "afterwards": self.afterwards and self.afterwards.as_json(),
            "knee": self.knee and self.knee.offered,
            "recovery": self.recovery,
        }


def good(tally: Tally, limit: float) -> int:
    """How many right replies came within ``limit`` seconds."""
    within = sum(count for micros, count in tally.response if micros <= limit * 1e6)
    given_up = sum(count for micros, count in tally.at_least if micros <= limit * 1e6)
    return within - given_up
