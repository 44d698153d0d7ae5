"""How many there are of something over time: clients, or requests a second."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from .units import duration, quantity


@dataclass(frozen=True, slots=True)
class Stage:
    """A straight line: for ``seconds``, from the level ``begin`` to the level ``end``."""

    seconds: float
    begin: float
    end: float

    def __post_init__(self) -> None:
        if not (0 < self.seconds < math.inf and min(self.begin, self.end) >= 0):
            raise ValueError("a stage lasts some time, at levels of 0 or more")

    @property
    def levels(self) -> tuple[float, float]:
        """At its begin and at its end."""
        return self.begin, self.end

    @property
    def area(self) -> float:
        """What comes together in it."""
        return self.seconds * (self.begin + self.end) / 2

    def by(self, seconds: float) -> float:
        """What has come together after ``seconds``, which are in it."""
        return seconds * (self.begin + seconds * (self.end - self.begin) / self.seconds / 2)

    def when(self, area: float) -> float:
        """Seconds after which ``area`` has come together; ``area`` is in it."""
        slope = (self.end - self.begin) / self.seconds
        # The root of slope/2 t² + begin t - area, in the form that loses no digits near 0.
        root = math.sqrt(max(self.begin**2 + 2 * slope * area, 0.0))
        return min(2 * area / (self.begin + root), self.seconds) if area else 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """Stages, one after the other.

    :param is_rate: whether levels are per second.
    """

    stages: tuple[Stage, ...]
    is_rate: bool = False

    @classmethod
    def constant(cls, level: float, seconds: float) -> "Profile":
        """One level for ``seconds``."""
        return cls((Stage(seconds, level, level),))

    @classmethod
    def parse(cls, text: str) -> "Profile":
        """Read stages such as ``10s:0-5k,60s:5k``, of a rate with ``/s`` behind the last.

        :raises ValueError: if they are none.
        """
        stages = []
        for part in text.removesuffix("/s").split(","):
            seconds, given, levels = part.partition(":")
            if not given:
                raise ValueError(f"{part!r} is not a stage such as 10s:0-5k or 60s:5k")
            begin, both, end = levels.partition("-")
            stages.append(
                Stage(duration(seconds), quantity(begin), quantity(end if both else begin))
            )
        return cls(tuple(stages), text.endswith("/s"))

    def __str__(self) -> str:
        parts = (f"{s.seconds:g}s:{s.begin:g}-{s.end:g}" for s in self.stages)
        return ",".join(parts) + ("/s" if self.is_rate else "")

    @property
    def seconds(self) -> float:
        """How long all of it lasts."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def highest(self) -> float:
        """The highest level."""
        return max(max(stage.begin, stage.end) for stage in self.stages)

    def area(self, seconds: float) -> float:
        """What has come together after ``seconds``, or all there is."""
        area = 0.0
        for stage in self.stages:
            if seconds < stage.seconds:
                return area + stage.by(max(seconds, 0.0))
            area, seconds = area + stage.area, seconds - stage.seconds
        return area

    def instants(self, areas: Iterator[float]) -> Iterator[float]:
        """Yield when each of ``areas``, which increase, has come together; end with the last.

        For a rate these are the instants at which as many have arrived.
        """
        stages = iter(self.stages)
        stage, start, behind = next(stages), 0.0, 0.0
        for area in areas:
            while area - behind >= stage.area:
                start, behind = start + stage.seconds, behind + stage.area
                following = next(stages, None)
                if following is None:
                    return
                stage = following
            yield start + stage.when(area - behind)

    def changes(self, index: int, step: int = 1) -> Iterator[tuple[float, int]]:
        """Yield when the level passes ``index``, ``index + step`` and so on: ``(seconds, by)``.

        ``by`` is 1 where one more is needed, -1 where one has to go. Who has number i is
        there while the level is over i.
        """
        there, start = 0, 0.0
        for stage in self.stages:
            if stage.begin != self._before(start):
                yield from self._jump(there, wanted := _needed(stage.begin, index, step), start)
                there = wanted
            target = _needed(stage.end, index, step)
            while there != target:
                number = index + step * (there if target > there else there - 1)
                at = stage.seconds * (number - stage.begin) / (stage.end - stage.begin)
                yield start + min(max(at, 0.0), stage.seconds), 1 if target > there else -1
                there += 1 if target > there else -1
            start += stage.seconds

    def _before(self, start: float) -> float:
        """The level that a stage which begins at ``start`` follows."""
        at, level = 0.0, 0.0
        for stage in self.stages:
            if at >= start:
                break
            at, level = at + stage.seconds, stage.end
        return level

    def _jump(self, there: int, wanted: int, at: float) -> Iterator[tuple[float, int]]:
        yield from [(at, 1 if wanted > there else -1)] * abs(wanted - there)


def _needed(level: float, index: int, step: int) -> int:
    """How many of ``index``, ``index + step`` and so on are below ``level``."""
    return max(math.ceil((level - index) / step), 0)
