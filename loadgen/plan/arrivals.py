"""When requests arrive in an open loop."""

import random
from collections.abc import Iterator
from enum import Enum
from itertools import count


class Arrivals(Enum):
    """How arrivals follow each other at a given rate."""

    #: At equal distances.
    CONSTANT = "constant"
    #: Independent of each other, as those of many people are: exponential distances.
    POISSON = "poisson"

    def areas(self, seed: int) -> Iterator[float]:
        """Yield how much of the rate's area each arrival takes up: they increase.

        For a Poisson process whose rate changes, unit-rate arrivals are mapped through the
        inverse of the rate's integral (Çinlar 1975).
        """
        if self is Arrivals.CONSTANT:
            yield from map(float, count())
        generator = random.Random(seed)  # noqa: S311 - a plan, no secret
        area = 0.0
        while True:
            area += generator.expovariate(1.0)
            yield area
