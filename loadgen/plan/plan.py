"""The plan of a run, and the part of it that one agent has."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import Final

from .arrivals import Arrivals
from .mix import Mix
from .profiles import Profile
from .think import Think


@dataclass(frozen=True, slots=True)
class Share:
    """Agent ``index`` of ``of``: whatever is numbered is its where the number mod ``of`` is
    ``index``.
    """

    index: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.of:
            raise ValueError(f"there is no agent {self.index} of {self.of}: they count from 0")

    @classmethod
    def parse(cls, text: str) -> "Share":
        """Read ``2/8``: agent 2 of those from 0 to 7.

        :raises ValueError: if it is none.
        """
        index, _, of = text.partition("/")
        if not (text.isascii() and index.isdecimal() and of.isdecimal()):
            raise ValueError(f"{text!r} is not a share such as 0/8 or 7/8")
        return cls(int(index), int(of))

    def part(self, worker: int, workers: int) -> "Share":
        """The share of one of the agent's own workers."""
        return Share(self.index + self.of * worker, self.of * workers)

    def count(self, total: int) -> int:
        """How many of ``total`` numbered things are its."""
        return max(-((self.index - total) // self.of), 0)


PING: Final = Mix((b"PING",), (1.0,))
ONE_CLIENT: Final = Profile.constant(1, 1)
AT_ONCE: Final = Think()
ALL: Final = Share()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent, and when.

    :param clients: how many clients there are over time; those of a run without stages
        are all there from the beginning.
    :param rate: requests a second over time: an open loop; ``None``: a closed one.
    :param requests: how many are sent at the most; ``None``: as many as there is time for.
    :param seconds: how long requests are sent; ``None``: until there are ``requests``.
    :param pipeline: how many requests a connection has under way at a time, at the most.
    """

    mix: Mix = PING
    clients: Profile = ONE_CLIENT
    rate: Profile | None = None
    arrivals: Arrivals = Arrivals.CONSTANT
    requests: int | None = None
    seconds: float | None = 10.0
    pipeline: int = 1
    think: Think = AT_ONCE
    seed: int = 0
    share: Share = ALL

    def __post_init__(self) -> None:
        if self.seconds is None and self.requests is None:
            raise ValueError("a plan ends after some time or some requests")
        if self.rate and self.think.seconds:
            raise ValueError("who sends at a rate has no time to think")

    @property
    def staged(self) -> bool:
        """Whether clients come and go by a profile, not all at the beginning."""
        return len({level for stage in self.clients.stages for level in stage.levels}) > 1

    @property
    def lasts(self) -> float:
        """Seconds that an open loop lasts: to the end of its time, and not to its last request.

        With a number of requests it is when the one after them would be due; in a Poisson process
        that is nobody's to say, and it ends with them.
        """
        assert self.rate is not None
        ends = [self.rate.seconds, math.inf if self.seconds is None else self.seconds]
        if self.requests is not None and self.arrivals is Arrivals.CONSTANT:
            ends += self.rate.instants(iter([float(self.requests)]))
        return min(ends)

    def due(self, seconds: float) -> int:
        """How many requests of an open loop are this agent's in its first ``seconds``.

        Those of a Poisson process are as many on the average.
        """
        assert self.rate is not None
        number = math.ceil(self.rate.area(seconds))
        return self.share.count(number if self.requests is None else min(number, self.requests))

    def warm_up(self, seconds: float) -> "Plan":
        """What is sent for ``seconds`` before this plan: the like of its beginning."""
        rate = self.rate and Profile.constant(self.rate.stages[0].begin, seconds)
        return replace(self, rate=rate, requests=None, seconds=seconds, seed=self.seed + 1)

    def part(self, share: Share) -> "Plan":
        """The same plan in the hands of one agent."""
        return replace(self, share=share)

    def script(self) -> Iterator[int]:
        """Yield the choices from the mix that this agent makes, one after the other."""
        choices = self.mix.choices(self.seed, self.share.index, self.share.of)
        if self.requests is None:
            return choices
        return islice(choices, self.share.count(self.requests))

    def schedule(self) -> Iterator[tuple[float, int]]:
        """Yield what this agent sends in an open loop: seconds from the start, choice."""
        assert self.rate is not None
        instants = self.rate.instants(self.arrivals.areas(self.seed))
        if self.seconds is not None and self.seconds < self.rate.seconds:
            instants = takewhile(self.seconds.__gt__, instants)
        mine = islice(instants, self.share.index, None, self.share.of)
        return zip(mine, self.script(), strict=False)
