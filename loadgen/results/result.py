"""The result of a run: counts, where they come from, and a JSON form of them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ..counts import Histogram, Tally
from ..engine.vitals import Vitals
from . import reading
from .reading import NoResult, load

#: The form of the JSON, and its version: a new number where a reader of the old one fails.
SCHEMA: Final = "dumb_async.loadgen.result/1"
PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent: its share of the plan, and what it used; ``None``: it was lost."""

    share: str
    vitals: Vitals | None


@dataclass(slots=True)
class Result:
    """What came of a run.

    :param arguments: of the command line, by name.
    :param begun: when, in UTC, as ISO 8601 has it.
    :param wrong: what was asked and what came, of the first reply that was wrong.
    :param doubts: why it cannot be believed; none where it can.
    """

    tally: Tally
    agents: list[Agent]
    arguments: dict[str, Any]
    begun: str
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    wrong: list[str] | None = None
    doubts: list[str] = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        """Seconds it took: those of the agent that took longest."""
        return max((a.vitals.elapsed_s for a in self.agents if a.vitals), default=0.0)

    @property
    def sending(self) -> float:
        """Seconds in which requests were sent: those of the agent that took longest."""
        return max((a.vitals.sending_s for a in self.agents if a.vitals), default=0.0)

    @property
    def rate(self) -> float:
        """Right replies a second."""
        return self.tally.replies / self.elapsed if self.elapsed else 0.0

    @property
    def error_ratio(self) -> float:
        """Errors, as a share of replies and errors."""
        total = self.tally.replies + self.tally.errors
        return self.tally.errors / total if total else 0.0

    @property
    def lost(self) -> list[str]:
        """The shares of agents that were lost: without them the result is partial."""
        return [agent.share for agent in self.agents if agent.vitals is None]

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes; docs/loadgen.md describes it."""
        tally = self.tally
        return {
            "schema": SCHEMA,
            "begun": self.begun,
            "arguments": self.arguments,
            "seed": self.arguments.get("seed", 0),
            "machine": self.machine,
            "versions": self.versions,
            "agents": [_agent_as_json(agent) for agent in self.agents],
            "interrupted": self.interrupted,
            "partial": bool(self.lost),
            "valid": not self.doubts,
            "doubts": self.doubts,
            "wrong": self.wrong,
            "elapsed_s": self.elapsed,
            "sending_s": self.sending,
            "requests": tally.replies,
            "sent": tally.sent,
            "planned": tally.planned,
            "rate_per_s": self.rate,
            "sent_per_s": tally.sent / self.sending if self.sending else 0.0,
            "errors": _errors_as_json(tally, self.error_ratio),
            "connections": {
                "clients": tally.clients,
                "made": tally.connections,
                "never_served": tally.never_served,
            },
            "response_s": summary(tally.response, tally.at_least),
            "service_s": summary(tally.service),
            "lag_s": summary(tally.lag),
            "connect_s": summary(tally.connect),
            "commands": {
                request: {
                    "sent": counted.sent,
                    "response_s": summary(counted.response, counted.at_least),
                    "service_s": summary(counted.service),
                }
                for request, counted in tally.commands.items()
            },
        }

    @classmethod
    def from_json(cls, text: str | bytes) -> "Result":
        """Read the text of what `as_json` has returned.

        :raises NoResult: if it is none, or one of another version.
        """
        return cls.from_data(load(text))

    @classmethod
    def from_data(cls, data: Any) -> "Result":
        """Take in what `as_json` has returned.

        :raises NoResult: if it is none, or one of another version.
        """
        schema = data.get("schema") if isinstance(data, dict) else None
        if schema != SCHEMA:
            raise NoResult(f"its schema is {schema!r}, not {SCHEMA!r}")
        try:
            return cls(
                tally=reading.tally(data),
                agents=reading.listed(data["agents"], _agent_from),
                **{name: read(data[name]) for name, read in _AS_THEY_ARE.items()},
            )
        except KeyError as error:
            raise NoResult(f"it lacks {error}") from None
        except (TypeError, AttributeError, RecursionError) as error:
            raise NoResult(f"something in it has another form: {error}") from None


def _wrong(value: Any) -> list[str] | None:
    """What was asked and what came, or nothing."""
    if value is not None and len(reading.listed(value, reading.text)) != 2:
        raise NoResult("a wrong reply is what was asked and what came")
    return value  # type: ignore[no-any-return]


_AS_THEY_ARE: Final[dict[str, Callable[[Any], Any]]] = {
    "arguments": reading.mapped,
    "begun": reading.instant,
    "machine": reading.mapped,
    "versions": reading.mapped,
    "interrupted": reading.truth,
    "wrong": _wrong,
    "doubts": lambda value: reading.listed(value, reading.text),
}


def summary(histogram: Histogram, at_least: Histogram | None = None) -> dict[str, Any]:
    """Sum up latencies in seconds, with their raw counts.

    ``at_least`` are those of them that were given up; where there are any, every figure
    from the shortest of them up is no more than a lower bound.
    """
    percentiles = histogram.percentiles(PERCENTILES.values())
    result: dict[str, Any] = {
        "count": histogram.total,
        "min": histogram.min,
        "mean": histogram.mean,
        **dict(zip(PERCENTILES, percentiles, strict=True)),
        "max": histogram.max,
        "counts": sorted(histogram.counts.items()),
    }
    if at_least is not None:
        result["at_least_from"] = at_least.min if at_least.counts else None
        result["at_least_counts"] = sorted(at_least.counts.items())
    return result


def _errors_as_json(tally: Tally, ratio: float) -> dict[str, Any]:
    kinds = dict.fromkeys([*tally.lost_requests, *tally.lost_connections])
    return {
        "total": tally.errors,
        "ratio": ratio,
        "kinds": [
            {
                "phase": fault.phase.value,
                "cause": fault.cause.value,
                "requests": tally.lost_requests[fault],
                "connections": tally.lost_connections[fault],
                "advice": fault.advice,
            }
            for fault in kinds
        ],
    }


def _agent_as_json(agent: Agent) -> dict[str, Any]:
    vitals = agent.vitals
    used = asdict(vitals) if vitals else {}
    return {"share": agent.share, "lost": vitals is None, **used}


def _agent_from(value: Any) -> Agent:
    data = reading.mapped(value)
    lost = reading.truth(data["lost"])
    return Agent(reading.text(data["share"]), None if lost else reading.vitals(data))
