"""Which requests are sent, and how often each."""

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from .units import quantity

#: Of SplitMix64 (Steele, Lea, Flood 2014): a generator whose n-th number needs no other.
_GOLDEN: Final = 0x9E3779B97F4A7C15
_FIRST: Final = 0xBF58476D1CE4E5B9
_SECOND: Final = 0x94D049BB133111EB
_MASK: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Mix:
    """Requests, each with its weight.

    :param requests: lines without their ends, all different.
    :param weights: as many, over 0; their sum is of no matter.
    :raises ValueError: if there is none, or one that is not as said.
    """

    requests: tuple[bytes, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.requests or len(self.requests) != len(self.weights):
            raise ValueError("a mix needs requests, and a weight for each")
        if len(set(self.requests)) < len(self.requests):
            raise ValueError("a request stands twice in the mix")
        if any(b"\n" in request or not request for request in self.requests):
            raise ValueError("a request is one line, and not empty")
        if not all(0 < weight < float("inf") for weight in self.weights):
            raise ValueError("a weight is a number over 0")

    @classmethod
    def parse(cls, text: str) -> "Mix":
        """Read a mix such as ``PING=80,WAIT 0.05=10``; without a weight it is 1.

        :raises ValueError: if it is none.
        """
        requests, weights = [], []
        for part in text.split(","):
            request, given, weight = part.rpartition("=")
            requests.append((request if given else part).strip().encode())
            try:
                weights.append(quantity(weight) if given else 1.0)
            except ValueError:
                raise ValueError(f"{weight!r} is no weight for {request!r}, such as 80") from None
        return cls(tuple(requests), tuple(weights))

    def __str__(self) -> str:
        parts = zip(self.requests, self.weights, strict=True)
        if len(self.requests) == 1:
            return self.requests[0].decode(errors="replace")
        return ",".join(f"{request.decode(errors='replace')}={w:g}" for request, w in parts)

    def choices(self, seed: int, start: int = 0, step: int = 1) -> Iterator[int]:
        """Yield which request is the ``start``-th, the ``start + step``-th and so on."""
        if len(self.requests) == 1:
            while True:
                yield 0
        bounds = list(accumulate(self.weights))
        scale = bounds[-1] / 2**64
        last = len(bounds) - 1
        state = (seed * _FIRST + (start + 1) * _GOLDEN) & _MASK
        stride = step * _GOLDEN & _MASK
        while True:
            yield min(bisect(bounds, _mix(state) * scale), last)
            state = (state + stride) & _MASK


def _mix(state: int) -> int:
    state = (state ^ state >> 30) * _FIRST & _MASK
    state = (state ^ state >> 27) * _SECOND & _MASK
    return state ^ state >> 31
