"""Numbers on the wire: ASCII digits, matched before they are converted.

``int`` and ``float`` accept far more than the protocol does (``1_0``, ``+5``, ``nan``,
``1e9``, digits of other scripts), so the text is checked first.
"""

import re

_INTEGER = re.compile(rb"[0-9]+")
_DECIMAL = re.compile(rb"[0-9]+(?:\.[0-9]+)?")


class InvalidArgument(ValueError):
    """Raised by a command for an argument it cannot take: the reply is INVALID_ARGUMENT."""


def integer(text: bytes, *, limit: int) -> int:
    """Read a whole number from 0 to ``limit``.

    :raises InvalidArgument: for anything but ASCII digits, or over the limit.
    """
    if _INTEGER.fullmatch(text) is None:
        raise InvalidArgument("not a whole number")
    digits = text.lstrip(b"0")
    # Compared by length first: converting thousands of digits costs quadratic time.
    if len(digits) > len(str(limit)) or int(digits or b"0") > limit:
        raise InvalidArgument("over the limit")
    return int(digits or b"0")


def decimal(text: bytes, *, limit: float) -> float:
    """Read a decimal number from 0 to ``limit``, with or without a fraction.

    :raises InvalidArgument: for anything but ASCII digits around one optional point, or
        over the limit.
    """
    if _DECIMAL.fullmatch(text) is None:
        raise InvalidArgument("not a decimal number")
    value = float(text)
    if not value <= limit or value == float("inf"):  # whatever the limit, NaN included
        raise InvalidArgument("over the limit")
    return value
