"""What a crew and its agents say to each other, pickled over a pipe."""

from dataclasses import dataclass

from ..counts import Tally
from ..engine import Options, Target
from ..engine.vitals import Vitals
from ..plan import Plan


@dataclass(frozen=True, slots=True)
class Job:
    """What an agent is to do.

    :param cpus: those it may run on; empty: all.
    :param urgent: whether it runs before everything else on its CPUs, where that is allowed.
    :param report_every: seconds between `Progress` messages; 0: none.
    """

    plan: Plan
    target: Target
    options: Options
    cpus: tuple[int, ...] = ()
    report_every: float = 0.0
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """All have connected who are there from the beginning, or have failed to."""

    tally: Tally


@dataclass(frozen=True, slots=True)
class Go:
    """Begin at this instant of the monotonic clock."""

    start: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Send nothing more, and come to an end."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is counted so far."""

    tally: Tally


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an agent's share.

    :param wrong: what was asked and what came, of the first reply that was wrong.
    """

    tally: Tally
    vitals: Vitals
    wrong: tuple[bytes, bytes] | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """It has come to its end."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Failed:
    """It could not begin, or go on; ``why`` in one line."""

    why: str


FromAgent = Ready | Progress | Done | Failed
ToAgent = Go | Stop
