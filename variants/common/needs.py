"""What clients need of a server, and some concurrency models cannot hold."""

import enum


class Need(enum.Enum):
    """What a test of the conformance suite needs, where not every model holds it.

    A model says in its ``lacks`` what it cannot; it is then expected to fail those very tests,
    and a comparison shows it.
    """

    SEVERAL_CLIENTS = "holds several connections at once, whatever each of them does"
    FAIR_WAIT = "serves others while clients WAIT"
    FAIR_BURN = "serves others while clients BURN"
    FAIR_STREAM = "serves others during a STREAM to a fast reader"
    STALLED_READERS = "serves others while readers of a STREAM stall"
    FAIR_PIPELINE = "serves others while one client pipelines without pause"
    RESETS = "notices a reset while it waits, computes or writes"
    DEAF_RESETS = "notices a reset although it does not listen to the client any more"
    OVERSIZE = "refuses a line over the limit before it has ended"
    LINGERING = "never loses its last reply to a reset"
    TIMEOUTS = "cuts idle, dribbling and stalled clients"
    CAPACITY = "refuses clients above its limit with SERVER_BUSY"
    DESCRIPTORS = "survives running out of file descriptors"
    DRAINING = "finishes what it began when it is asked to stop, and ends in time"
