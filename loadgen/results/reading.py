"""Reading what was saved: whatever a file has in it, either it is right or it is said what is not.

Each function takes a value that JSON gave, and returns it if it is what was asked for.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from ..counts import Commanded, Fault, Histogram, Tally
from ..counts.histogram import last
from ..engine.vitals import Vitals

#: Of anything that is counted; times are less in seconds.
_MOST: Final = 2**63 - 1
_SHORTEST, _LONGEST = 1e-12, 1e12
#: Characters of a wrong value that are shown.
_SHOWN: Final = 40


class NoResult(ValueError):
    """What was read is not a result; the text says why."""


def load(text: str | bytes) -> Any:
    """Read JSON, whose numbers are finite: 1e400 is none.

    :raises NoResult: if it is none.
    """
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_finite)
    except RecursionError:
        raise NoResult("it is not JSON of ours: nested too deep") from None
    except ValueError as error:
        raise NoResult(f"it is not JSON: {error}") from None


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:_SHOWN]} is no number")
    return value


def count(value: Any) -> int:
    """A whole number from 0 on.

    :raises NoResult: if it is none.
    """
    if type(value) is not int or not 0 <= value <= _MOST:
        raise NoResult(f"{_shown(value)} stands where a number of something belongs")
    return value


def seconds(value: Any) -> float:
    """A time, or 0.

    :raises NoResult: if it is none.
    """
    fine = type(value) in {int, float} and (not value or _SHORTEST <= value <= _LONGEST)
    if not fine:
        raise NoResult(f"{_shown(value)} stands where seconds belong")
    return value  # type: ignore[no-any-return]


def text(value: Any) -> str:
    """Text that can be written.

    :raises NoResult: if it is none.
    """
    try:
        value.encode()
    except (AttributeError, UnicodeEncodeError):
        raise NoResult(f"{_shown(value)} stands where text belongs") from None
    return value  # type: ignore[no-any-return]


def truth(value: Any) -> bool:
    """True or false.

    :raises NoResult: if it is neither.
    """
    if type(value) is not bool:
        raise NoResult(f"{_shown(value)} stands where true or false belongs")
    return value


def listed(value: Any, read: Callable[[Any], Any]) -> list[Any]:
    """A list of what ``read`` takes.

    :raises NoResult: if it is none.
    """
    if type(value) is not list:
        raise NoResult(f"{_shown(value)} stands where a list belongs")
    return [read(one) for one in value]


def mapped(value: Any) -> dict[str, Any]:
    """Names with values of any kind.

    :raises NoResult: if it is none.
    """
    if type(value) is not dict:
        raise NoResult(f"{_shown(value)} stands where names with values belong")
    for name in value:
        text(name)
    return value


def instant(value: Any) -> str:
    """A time of the calendar, as ISO 8601 has it.

    :raises NoResult: if it is none.
    """
    try:
        datetime.fromisoformat(text(value)).timestamp()
    except (ValueError, OverflowError):
        raise NoResult(f"{_shown(value)} stands where a date and a time belong") from None
    return value  # type: ignore[no-any-return]


def vitals(value: Any) -> Vitals:
    """How an agent did.

    :raises NoResult: if it is not that.
    """
    data = mapped(value)
    names = (one.name for one in fields(Vitals) if one.name != "memory_bytes")
    return Vitals(
        memory_bytes=count(data["memory_bytes"]), **{name: seconds(data[name]) for name in names}
    )


def tally(data: Mapping[str, Any]) -> Tally:
    """What was counted.

    :raises NoResult: if it is not that.
    """
    kinds = [(_fault(kind), kind) for kind in listed(data["errors"]["kinds"], mapped)]
    made = mapped(data["connections"])
    return Tally(
        commands={name: _commanded(one) for name, one in mapped(data["commands"]).items()},
        lag=_histogram(data["lag_s"]),
        connect=_histogram(data["connect_s"]),
        lost_requests=_counter(kinds, "requests"),
        lost_connections=_counter(kinds, "connections"),
        planned=count(data["planned"]),
        connections=count(made["made"]),
        clients=count(made["clients"]),
        never_served=count(made["never_served"]),
    )


def _fault(kind: Mapping[str, Any]) -> Fault:
    try:
        return Fault.read(kind["phase"], kind["cause"], text(kind["advice"]))
    except (TypeError, ValueError) as error:
        raise NoResult(f"there is no such kind of error: {error}") from None


def _counter(kinds: list[tuple[Fault, dict[str, Any]]], name: str) -> Counter[Fault]:
    return Counter({fault: n for fault, kind in kinds if (n := count(kind[name]))})


def _commanded(value: Any) -> Commanded:
    data = mapped(value)
    response = data["response_s"]
    return Commanded(
        sent=count(data["sent"]),
        response=_histogram(response),
        service=_histogram(data["service_s"]),
        at_least=_histogram(response, "at_least_counts"),
    )


def _histogram(value: Any, name: str = "counts") -> Histogram:
    pairs = listed(mapped(value)[name], lambda pair: listed(pair, count))
    counts = {bucket: number for bucket, number in pairs if number}
    if len(counts) < len(pairs) or max(counts, default=0) > last():
        raise NoResult("a latency has no bucket, or is in two")
    return Histogram(counts)


def _shown(value: Any) -> str:
    """The value, as far as there is room for it."""
    try:
        shown = ascii(value)
    except (RecursionError, ValueError):  # nested without end, or with too many digits
        shown = f"a {type(value).__name__}"
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
