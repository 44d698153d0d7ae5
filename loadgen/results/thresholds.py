"""Conditions that a result has to meet, such as ``p99<50ms`` and ``errors<0.1%``."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dumb_async.hosting import read_share

from ..counts import Histogram
from ..plan.units import duration, quantity, rate, show_duration, show_quantity
from .result import Result

_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FORM: Final = re.compile(
    r"\s*(?:(\w+)\.)?(\w+(?:\.\d+)?)\s*(<=|>=|<|>)\s*(\S|\S.*\S)\s*", re.ASCII
)
_HISTOGRAMS: Final[dict[str, Callable[[Result], Histogram]]] = {
    "response": lambda result: result.tally.response,
    "service": lambda result: result.tally.service,
    "lag": lambda result: result.tally.lag,
    "connect": lambda result: result.tally.connect,
}
_NUMBERS: Final[dict[str, Callable[[Result], float]]] = {
    "rate": lambda result: result.rate,
    "requests": lambda result: result.tally.replies,
    "errors": lambda result: result.tally.errors,
    "never_served": lambda result: result.tally.never_served,
}
HELP: Final = (
    "p99<50ms, mean<1ms, max<=1s, service.p99.9<20ms, lag.p99<1ms, rate>1000, errors<0.1%"
    " or errors<=10, never_served<1"
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A condition: a figure of the result, compared with a limit.

    :param text: as it was given.
    :param ratio: whether ``limit`` is a share of all requests.
    """

    text: str
    of: str
    figure: str
    comparison: str
    limit: float
    ratio: bool = False

    @classmethod
    def parse(cls, text: str) -> "Threshold":
        """Read one.

        :raises ValueError: if it is none.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a threshold such as {HELP}")
        of, figure, comparison, limit = match.groups()
        if of is None and figure in _NUMBERS:
            if limit.endswith("%") and figure == "errors":
                return cls(text, "", figure, comparison, read_share(limit), ratio=True)
            return cls(text, "", figure, comparison, _number(figure, limit, text))
        of = of or "response"
        if of not in _HISTOGRAMS or _latency(figure) is None:
            raise ValueError(f"{text!r} is not a threshold such as {HELP}")
        return cls(text, of, figure, comparison, _time(limit, text))

    def value(self, result: Result) -> float:
        """Return what the result has for it: seconds, a number, or a share."""
        if self.ratio:
            return result.error_ratio
        if not self.of:
            return _NUMBERS[self.figure](result)
        latency = _latency(self.figure)
        assert latency is not None
        return latency(_HISTOGRAMS[self.of](result))

    def is_met(self, result: Result) -> bool:
        """Whether the result meets it; without any latencies no limit of one is met."""
        if self.of and not _HISTOGRAMS[self.of](result).counts:
            return False
        return _COMPARE[self.comparison](self.value(result), self.limit)

    def show(self, result: Result) -> str:
        """Say in one line whether it is met, and by what."""
        value = self.value(result)
        if self.of and not _HISTOGRAMS[self.of](result).counts:
            shown = "not measured"
        elif self.ratio:
            shown = f"{value:.3%}"
        else:
            shown = show_duration(value) if self.of else show_quantity(value)
        return f"{'met' if self.is_met(result) else 'MISSED'}  {self.text}  (is {shown})"


def _number(figure: str, limit: str, text: str) -> float:
    """A limit of what is counted; of a part of an error, a share may be meant.

    :raises ValueError: if it is none.
    """
    if figure == "rate":
        return rate(limit)
    number = quantity(limit)
    if number % 1:
        meant = f": for a share write errors<{number * 100:g}%" if figure == "errors" else ""
        raise ValueError(f"{text!r} counts {figure}, and {limit} is not a whole number{meant}")
    return number


def _time(limit: str, text: str) -> float:
    """A limit of a latency. Other tools take ``p99<50`` for milliseconds.

    :raises ValueError: if it is none, or has no unit.
    """
    seconds = duration(limit)
    if seconds and not limit[-1].isalpha():
        raise ValueError(f"{text!r} has no unit: write {limit}ms or {limit}s")
    return seconds


def _latency(figure: str) -> Callable[[Histogram], float] | None:
    if figure in {"min", "mean", "max"}:
        return operator.attrgetter(figure)
    match = re.fullmatch(r"p(\d+(?:\.\d+)?)", figure)
    if match is None:
        return None
    percent = 99.9 if match[1] == "999" else float(match[1])
    return (lambda histogram: histogram.percentile(percent)) if percent <= 100 else None
