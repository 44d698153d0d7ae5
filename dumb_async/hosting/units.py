"""Durations, counts and sizes as people write them: ``1m30s``, ``1.5k``, ``64KiB``.

Every command of this project reads them here. What is taken is what users of Go, k6, oha, wrk
and coreutils write, in ASCII digits alone; whatever is not taken is told what is.
"""

import re
import sys
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from ..protocol import LONGEST_SLEEP

DURATIONS: Final = "90 (seconds), 1m30s, 1.5h, 250ms or 100us"
COUNTS: Final = "1500, 1.5k or 2M"
SIZES: Final = "65536 (bytes), 64K, 64KiB, 1.5M or 2G; 64kB is 64000"

#: What `--help` says of all of them.
AMOUNTS: Final = (
    f"A DURATION is such as {DURATIONS}. A number N is such as {COUNTS}. A SIZE is such as {SIZES}."
)

_NUMBER: Final = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_AMOUNT: Final = re.compile(rf"({_NUMBER})\s*([A-Za-z]*)")
_PART: Final = re.compile(rf"({_NUMBER})\s*([a-z\u00b5\u03bc]+)\s*")
#: Digits that no amount needs, and that take long to be read.
_LONGEST: Final = 300


def _named(sizes: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """Each name of a unit, of those that are separated by spaces."""
    return {name: size for names, size in sizes.items() for name in names.split()}


#: From the longest unit to the shortest; both signs for micro that keyboards have (Go, time).
_SECONDS: Final = _named(
    {
        "d day days": Fraction(86_400),
        "h hr hrs hour hours": Fraction(3600),
        "m min mins minute minutes": Fraction(60),
        "s sec secs second seconds": Fraction(1),
        "ms msec": Fraction(1, 1000),
        "us usec \u00b5s \u03bcs": Fraction(1, 10**6),
        "ns nsec": Fraction(1, 10**9),
    }
)
_TIMES: Final = _named(
    {"k": Fraction(10**3), "m": Fraction(10**6), "g": Fraction(10**9), "t": Fraction(10**12)}
) | {"": Fraction(1)}
#: As coreutils has them: K and KiB are 1024, kB is 1000; Kubernetes leaves out the B of KiB.
_BYTES: Final = {"": Fraction(1), "b": Fraction(1)} | {
    letter.lower() + rest: Fraction(base ** (power + 1))
    for power, letter in enumerate("KMGT")
    for rest, base in (("", 1024), ("i", 1024), ("ib", 1024), ("b", 1000))
}


def read_duration(text: str) -> float:
    """Read a duration such as ``10s``, ``1m30s``, ``1.5h`` or ``250ms``.

    :returns: seconds, 0 or more. A number alone is seconds.
    :raises ValueError: for anything else, or more than `LONGEST_SLEEP`.
    """
    short = _short(text)
    try:
        seconds = _fraction(short) if re.fullmatch(_NUMBER, short) else _sum(short)
    except (KeyError, ValueError):
        raise ValueError(f"{_shown(text)} is not a duration such as {DURATIONS}") from None
    if seconds > LONGEST_SLEEP:
        raise ValueError(f"{_shown(text)} is too much")
    return float(seconds)


def read_number(text: str) -> float:
    """Read a number, with ``k`` for a thousand, ``M`` for a million or ``G`` behind it.

    :returns: 0 or more.
    :raises ValueError: for anything else, or too much for a float.
    """
    try:
        return float(_amount(text, _TIMES, f"a number such as {COUNTS}"))
    except OverflowError:
        raise ValueError(f"{_shown(text)} is too much") from None


def read_share(text: str) -> float:
    """Read a share: ``5%`` and ``0.05`` are the same.

    :returns: 0 or more.
    :raises ValueError: for anything else.
    """
    number, percent, rest = _short(text).partition("%")
    if rest or not re.fullmatch(_NUMBER, number := number.strip(" ")):
        raise ValueError(f"{_shown(text)} is not a share such as 5% or 0.05")
    return float(_fraction(number) / (100 if percent else 1))


def read_count(text: str) -> int:
    """Read a whole number, as `read_number` does.

    :returns: from 0 to `sys.maxsize`.
    :raises ValueError: for anything else.
    """
    number = _amount(text, _TIMES, f"a number such as {COUNTS}")
    if number.denominator != 1:
        raise ValueError(f"{_shown(text)} is not a whole number such as {COUNTS}")
    return _whole(text, number)


def read_size(text: str) -> int:
    """Read bytes: ``65536``, ``64K`` and ``64KiB`` are the same, ``64kB`` is 64,000.

    :returns: from 0 to `sys.maxsize`; the part of a byte that 1.3K has is left out.
    :raises ValueError: for anything else.
    """
    size = _amount(text, _BYTES, f"a size such as {SIZES}")
    if size.denominator != 1 and text.strip()[-1].isdecimal():
        raise ValueError(f"{_shown(text)} is not a size such as {SIZES}")
    return _whole(text, size)


def _amount(text: str, units: Mapping[str, Fraction], wanted: str) -> Fraction:
    match = _AMOUNT.fullmatch(_short(text))
    if match is None or match[2].lower() not in units:
        raise ValueError(f"{_shown(text)} is not {wanted}")
    return _fraction(match[1]) * units[match[2].lower()]


def _sum(text: str) -> Fraction:
    """Add up parts of a duration; each is of a shorter unit than the one before.

    :raises ValueError: if they are none; `KeyError`: for an unknown unit.
    """
    total, last, at = Fraction(0), None, 0
    while at < len(text) or last is None:
        match = _PART.match(text, at)
        if match is None or (last is not None and _SECONDS[match[2]] >= last):
            raise ValueError(text)
        last, at = _SECONDS[match[2]], match.end()
        total += _fraction(match[1]) * last
    return total


def _fraction(digits: str) -> Fraction:
    """Exactly what is written: 1.001k are 1001."""
    return Fraction("0" + digits.removesuffix("."))


def _short(text: str) -> str:
    """The text that is read; nothing where it is too long to be an amount."""
    text = text.strip(" ")
    if len(text) > _LONGEST:
        raise ValueError(f"{_shown(text)} is too much")
    return text


def _whole(text: str, value: Fraction) -> int:
    if value > sys.maxsize:
        raise ValueError(f"{_shown(text)} is too much")
    return int(value)


def _shown(text: str) -> str:
    """What was written, no more of it than a line has room for."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
