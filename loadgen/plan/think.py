"""How long a client of a closed loop waits between a reply and its next request."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from .units import duration


@dataclass(frozen=True, slots=True)
class Think:
    """A time to think: fixed, or exponential with that mean.

    :param seconds: 0 or more.
    """

    seconds: float = 0.0
    exponential: bool = False

    @classmethod
    def parse(cls, text: str) -> "Think":
        """Read ``100ms`` or ``exp:50ms``.

        :raises ValueError: if it is neither.
        """
        kind, given, rest = text.rpartition(":")
        if kind not in {"", "exp"} or (given and not kind):
            raise ValueError(f"{text!r} is not a time to think such as 100ms or exp:50ms")
        return cls(duration(rest), bool(kind))

    def __str__(self) -> str:
        return f"{'exp:' if self.exponential else ''}{self.seconds:g}s"

    def of(self, client: int, seed: int) -> Callable[[], float]:
        """Return what gives each time to think of the client with this number, in seconds."""
        if not self.exponential or not self.seconds:
            return lambda: self.seconds
        generator = random.Random(f"{seed}/{client}")  # noqa: S311 - a plan, no secret
        return lambda: generator.expovariate(1 / self.seconds)
