"""Durations and quantities as people write them: ``100ms``, ``10s``, ``5k``."""

import math
import re
from collections.abc import Mapping
from typing import Final

_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_TIMES: Final = {"k": 1e3, "M": 1e6, "": 1.0}


def duration(text: str) -> float:
    """Read a duration: a number with ``us``, ``ms``, ``s``, ``m`` or ``h`` behind it.

    :returns: seconds, 0 or more. A number alone is seconds.
    :raises ValueError: for anything else.
    """
    return _read(text, _SECONDS, "a duration such as 100ms, 10s or 5m")


def quantity(text: str) -> float:
    """Read a number, with ``k`` for a thousand or ``M`` for a million behind it.

    :returns: 0 or more.
    :raises ValueError: for anything else.
    """
    return _read(text, _TIMES, "a number such as 800, 20k or 1.5M")


def show_duration(seconds: float) -> str:
    """Write a duration in three digits, in the unit that suits it; whole microseconds."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{_digits(seconds / size)} {unit}"
    return f"{seconds * 1e6:.0f} µs"


def show_quantity(number: float) -> str:
    """Write a number in three digits, in thousands or millions where there are as many."""
    for unit, size in ((" M", 1e6), (" k", 1e3)):
        if number >= size:
            return f"{_digits(number / size)}{unit}"
    return _digits(number) if number % 1 else f"{number:.0f}"


def _digits(number: float) -> str:
    whole = len(str(int(number)))
    return f"{number:.{max(3 - whole, 0)}f}"


def _read(text: str, units: Mapping[str, float], wanted: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*([A-Za-z]*)", text.strip(), re.ASCII)
    if match is None or match[2] not in units:
        raise ValueError(f"{text!r} is not {wanted}")
    value = float(match[1]) * units[match[2]]
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is too much")
    return value
