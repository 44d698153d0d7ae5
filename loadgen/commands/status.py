"""Exit statuses."""

from typing import Final

from .. import interrupting
from ..results import Result, Threshold

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INVALID: Final = 3
MISSED: Final = 99
INTERRUPTED: Final = interrupting.STATUS


def of(result: Result, thresholds: tuple[Threshold, ...] = ()) -> int:
    """Return how a run came out: what is worst about it counts.

    It failed if nothing was answered, a reply was wrong, or an agent was lost.
    """
    if result.interrupted:
        return INTERRUPTED
    if not result.tally.replies or result.wrong or result.lost:
        return FAILED
    if result.doubts:
        return INVALID
    if not all(threshold.is_met(result) for threshold in thresholds):
        return MISSED
    return OK
