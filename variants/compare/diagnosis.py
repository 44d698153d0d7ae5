"""Why a bystander was not served as it should be, from what was seen beside it. No I/O."""

from enum import Enum
from typing import Final

from loadgen.plan.units import show_duration

from .report import Observation

#: Seconds of p99 up to which a bystander does not complain.
PROMPT: Final = 0.05
#: The share of PINGs that have to be answered for it to be anything but paralysed.
ALIVE: Final = 0.5
#: CPUs up to which a server counts as idle.
IDLE: Final = 0.2


class State(Enum):
    """How a bystander fares, from well to worst."""

    RESPONSIVE = "responsive"
    #: Well, but the trouble was less than it was to be.
    UNTROUBLED = "untroubled"
    SLOW = "slow"
    PARALYSED = "paralysed"
    FAILED = "failed"


def state_of(one: Observation) -> State:
    """Say how it fares."""
    if one.failure:
        return State.FAILED
    tally = one.result.tally if one.result else None
    if tally is None or tally.replies < ALIVE * tally.planned or not tally.replies:
        return State.PARALYSED
    if tally.errors or tally.response.percentile(99) > PROMPT:
        return State.SLOW
    return State.RESPONSIVE if one.made.enough else State.UNTROUBLED


def reason_of(one: Observation) -> str:
    """Say in one line why; empty where all is well."""
    match state_of(one):
        case State.FAILED:
            return one.failure
        case State.PARALYSED:
            return f"{_unanswered(one)}: {_cause(one)}"
        case State.SLOW:
            return _slow(one)
        case State.UNTROUBLED:
            error = f" ({one.made.error})" if one.made.error else ""
            return f"only {one.made.served:,} of {one.made.clients:,} got to make trouble{error}"
        case _:
            return ""


def _unanswered(one: Observation) -> str:
    if one.result is None:
        return "the bystander got no connection"
    tally = one.result.tally
    if not tally.replies:
        return f"none of {tally.planned:,} PINGs was answered"
    return f"only {tally.replies:,} of {tally.planned:,} PINGs were answered"


def _cause(one: Observation) -> str:
    """What the server was at, as its CPU tells, and whom it served."""
    made, busy = one.made, one.usage.cpus if one.usage else None
    if made.served <= 1:
        whom = "the first client"
        serves = "one client at a time"
    else:
        whom = f"the {made.served:,} clients that it serves"
        serves = f"{made.served:,} of {made.clients:,} clients"
    if busy is None:
        return f"it serves {serves}"
    doing = "waits for" if busy < IDLE else f"is busy ({busy:.0%} of a CPU) with"
    return f"it serves {serves}, and {doing} {whom}"


def _slow(one: Observation) -> str:
    assert one.result is not None
    tally = one.result.tally
    p99 = show_duration(tally.response.percentile(99))
    if tally.errors:
        fault, count = (tally.lost_requests + tally.lost_connections).most_common(1)[0]
        return f"p99 {p99}; {tally.errors:,} errors, most of them {fault} ({count:,})"
    if one.usage is None or one.usage.cpus < IDLE:
        return f"p99 {p99}"
    return f"p99 {p99}; it was busy ({one.usage.cpus:.0%} of a CPU)"
