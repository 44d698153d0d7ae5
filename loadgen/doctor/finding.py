"""What a check has found."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .system import UNLIMITED


class Level(Enum):
    """Whether something has to be done."""

    OK = "ok"
    #: It will hold, and measures worse or slower than it could.
    WARNING = "warning"
    #: As many connections as are asked for will not hold.
    TOO_FEW = "too few"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what the doctor says.

    :param value: what there is.
    :param allows: what follows from it.
    :param change: the command that changes it, or what to do; empty: there is no need to.
    :param holds: connections that it allows.
    """

    name: str
    level: Level
    value: str
    allows: str
    change: str = ""
    holds: float = math.inf

    @classmethod
    def of(
        cls,
        name: str,
        value: str,
        allows: str,
        change: str = "",
        *,
        fine: bool = True,
        holds: float = math.inf,
        wanted: int = 0,
    ) -> "Finding":
        """Judge: too few, if it does not hold as many as ``wanted``; a warning, if not ``fine``.

        What to change is said only if there is anything to.
        """
        level = Level.TOO_FEW if holds < wanted else Level.OK if fine else Level.WARNING
        return cls(name, level, value, allows, "" if level is Level.OK else change, holds)

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes."""
        return {
            "name": self.name,
            "level": self.level.value,
            "value": self.value,
            "allows": self.allows,
            "change": self.change,
            "holds": None if math.isinf(self.holds) else int(self.holds),
        }


def count(number: int) -> str:
    """Write a number that may stand for "no limit"."""
    return f"{number:,}" if number < UNLIMITED else "unlimited"
