"""Finding the highest rate that is held: doubling, then halving what is between."""

import math


class Bisection:
    """Which rate to try next. Tell it how each came out.

    The rate is doubled from ``start`` on while it is held, or halved while it is not; then
    the geometric middle of the highest held and the lowest not held is tried, until they are
    within ``precision``.

    :param start: the first rate, over 0.
    :param precision: how far apart the two may be in the end, as a share: over 0.
    :param lowest: where halving ends.
    :param highest: where doubling ends.
    """

    def __init__(
        self,
        start: float,
        precision: float = 0.05,
        lowest: float = 1.0,
        highest: float = math.inf,
    ) -> None:
        self.held = 0.0
        self.missed = math.inf
        self._precision = precision
        self._lowest = lowest
        self._highest = highest
        self.next: float | None = min(max(start, lowest), highest)

    def tell(self, *, held: bool) -> None:
        """Say whether the rate `next` was held; `next` is another one then, or ``None``."""
        assert self.next is not None
        if held:
            self.held = max(self.held, self.next)
        else:
            self.missed = min(self.missed, self.next)
        self.next = self._choose()

    def step_down(self) -> None:
        """Give up the rate that seemed to be held for a lower one; 0 if there is none."""
        self.missed, self.held = self.held, self.held / (1 + self._precision)
        if self.held < self._lowest:
            self.held = 0.0

    def _choose(self) -> float | None:
        if self.missed == math.inf:
            return min(self.held * 2, self._highest) if self.held < self._highest else None
        if not self.held:
            return self.missed / 2 if self.missed / 2 >= self._lowest else None
        if self.missed / self.held <= 1 + self._precision:
            return None
        return math.sqrt(self.held * self.missed)
