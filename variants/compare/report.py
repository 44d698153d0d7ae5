"""What was measured, raw, and its JSON form: everything else is worked out from it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeVar

from loadgen.results import NoResult, Result
from loadgen.scenarios import Made

from .disturbance import Disturbance
from .usage import Usage

#: The form of the JSON, and its version: a new number where a reader of the old one fails.
SCHEMA: Final = "dumb_async.variants.compare/1"

T = TypeVar("T")


class NoReport(ValueError):
    """What was read is not a report; the text says why."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One contestant under one load, in one round.

    :param again: whether it is the reference's second one in that block: the A/A pair.
    :param failure: what became of it, in one line, if it did not serve to the end.
    :param ready_s: seconds from its start to its first reply.
    """

    round: int
    contestant: str
    again: bool
    workload: str
    connections: int
    failure: str = ""
    ready_s: float | None = None
    result: Result | None = None
    usage: Usage | None = None
    disturbance: Disturbance | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What a bystander had of one contestant beside one kind of trouble, in one round.

    :param made: the trouble there really was.
    :param recovery_s: seconds until it answered again afterwards; ``None``: it did not.
    """

    round: int
    contestant: str
    scenario: str
    failure: str = ""
    made: Made = field(default_factory=Made)
    recovery_s: float | None = None
    result: Result | None = None
    usage: Usage | None = None
    disturbance: Disturbance | None = None


@dataclass(slots=True)
class Report:
    """A comparison, as far as it went.

    :param study: what was to be measured, see `Study.as_json`.
    :param command: what makes another one like it.
    :param begun: when, and ``ended``, in UTC, as ISO 8601 has it.
    :param machine: where, and ``versions`` of what, as in results of the load generator.
    :param partial: whether it was interrupted.
    """

    study: dict[str, Any]
    command: str
    begun: str
    ended: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    partial: bool = False
    observations: list[Observation] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)

    @property
    def contestants(self) -> list[str]:
        """Their names, in the order in which they were given."""
        return [one["name"] for one in self.study["contestants"]]

    @property
    def lacks(self) -> list[tuple[str, str, str]]:
        """Who does not hold what, by its own word, and why."""
        return [
            (one["name"], each["what"], each["why"])
            for one in self.study["contestants"]
            for each in one.get("lacks", ())
        ]

    def add(self, one: Measurement | Observation) -> None:
        """Take in what was measured."""
        if isinstance(one, Measurement):
            self.measurements.append(one)
        else:
            self.observations.append(one)

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes; docs/compare.md describes it."""
        return {
            "schema": SCHEMA,
            **{name: getattr(self, name) for name in _AS_THEY_ARE},
            "observations": [_to_json(one) for one in self.observations],
            "measurements": [_to_json(one) for one in self.measurements],
        }

    @classmethod
    def from_json(cls, text: str | bytes) -> "Report":
        """Read what `as_json` has returned; what else is in it is left alone.

        :raises NoReport: if it is none, or one of another version.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise NoReport(f"it is not JSON: {error}") from None
        schema = data.get("schema") if isinstance(data, dict) else None
        if schema != SCHEMA:
            raise NoReport(f"its schema is {schema!r}, not {SCHEMA!r}")
        try:
            return cls(
                **{name: data[name] for name in _AS_THEY_ARE},
                observations=[_from_json(Observation, one) for one in data["observations"]],
                measurements=[_from_json(Measurement, one) for one in data["measurements"]],
            )
        except (KeyError, TypeError, AttributeError, NoResult) as error:
            raise NoReport(f"it lacks something, or has it in another form: {error}") from None


_AS_THEY_ARE: Final = ("study", "command", "begun", "ended", "machine", "versions", "partial")
#: Fields that are not as JSON has them, and what reads them.
_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "result": Result.from_data,
    "usage": lambda data: Usage(**data),
    "disturbance": lambda data: Disturbance(**data),
    "made": lambda data: Made(**{key: data[key] for key in data if key != "enough"}),
}


def _to_json(one: Observation | Measurement) -> dict[str, Any]:
    values = {each.name: getattr(one, each.name) for each in fields(one)}
    return {
        name: value.as_json() if name in _READ and value is not None else value
        for name, value in values.items()
    }


def _from_json(kind: type[T], data: dict[str, Any]) -> T:
    values = {
        name: _READ[name](value) if name in _READ and value is not None else value
        for name, value in data.items()
    }
    return kind(**values)
