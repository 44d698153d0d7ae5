"""Durations and quantities: read as everywhere in this project, and written in three digits."""

import math
from typing import Final

from dumb_async.hosting import read_duration as duration
from dumb_async.hosting import read_number as quantity

__all__ = ["duration", "quantity", "rate", "show_duration", "show_quantity"]

_LARGE: Final = ((" G", 1e9), (" M", 1e6), (" k", 1e3))


def rate(text: str) -> float:
    """Read how many a second: ``1.5k``, also as ``1.5k/s``.

    :raises ValueError: for anything else.
    """
    return quantity(text.strip().removesuffix("/s"))


def show_duration(seconds: float) -> str:
    """Write a duration in three digits, in the unit that suits it; whole microseconds."""
    rounded = _rounded(seconds)
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if rounded >= size:
            return f"{_digits(seconds / size)} {unit}"
    return f"{seconds * 1e6:.0f} µs"


def show_quantity(number: float) -> str:
    """Write a number in three digits, in thousands, millions … where there are as many."""
    rounded = _rounded(number)
    for unit, size in _LARGE:
        if rounded >= size:
            return f"{_digits(number / size)}{unit}"
    return _digits(number) if number % 1 else f"{number:.0f}"


def _rounded(number: float) -> float:
    """The number in three digits; those before the point are all kept."""
    return float(f"{number:.2e}") if number < 1000 else number


def _digits(number: float) -> str:
    rounded = _rounded(number)
    if not rounded:
        return "0"
    return f"{rounded:.{max(2 - math.floor(math.log10(abs(rounded))), 0)}f}"
