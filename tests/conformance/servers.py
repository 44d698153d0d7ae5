"""What is put under the suite: servers as data."""

import enum
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .client import PATIENCE


class Need(enum.Enum):
    """What a test needs of a concurrency model, and some models cannot hold.

    A test says so with ``@needs(Need.…)``; a server that cannot says so in
    `Target.lacks`, and is then expected to fail that very test.
    """

    SEVERAL_CLIENTS = "holds several connections at once, whatever each of them does"
    FAIR_WAIT = "serves others while clients WAIT"
    FAIR_BURN = "serves others while clients BURN"
    FAIR_STREAM = "serves others during a STREAM to a fast reader"
    STALLED_READERS = "serves others while readers of a STREAM stall"
    FAIR_PIPELINE = "serves others while one client pipelines without pause"
    RESETS = "notices a reset while it waits, computes or writes"
    DEAF_RESETS = "notices a reset although it does not listen to the client any more"
    LINGERING = "never loses its last reply to a reset"
    TIMEOUTS = "cuts idle, dribbling and stalled clients"
    CAPACITY = "refuses clients above its limit with SERVER_BUSY"
    DESCRIPTORS = "survives running out of file descriptors"
    DRAINING = "finishes what it began when it is asked to stop, and ends in time"


#: Where clients leave commands behind that only the notice of their reset can end.
ENDLESS = frozenset(
    {Need.FAIR_WAIT, Need.FAIR_BURN, Need.FAIR_STREAM, Need.STALLED_READERS, Need.FAIR_PIPELINE}
)


@dataclass(frozen=True, slots=True)
class Target:
    """A server to put under the suite.

    :param id: how it is called in the names of the tests.
    :param argv: how it is started. ``{port}`` stands for a free port, and the server is
        ready once it can be connected to; without it, the server says in one line on its
        standard error where it serves.
    :param ours: whether it takes the command line of dumb_async and keeps its manners:
        flags, metrics, exit status. A foreign one is only talked to.
    :param lacks: what it cannot hold, and why. Tests that need it must fail.
    :param patience: seconds a client of it waits for anything: less where much is
        expected not to come.
    """

    id: str
    argv: tuple[str, ...]
    ours: bool = True
    lacks: Mapping[Need, str] = field(default_factory=dict)
    patience: float = PATIENCE


#: For machines on which anything may run: ports that are free.
ANY_PORTS = ("--port", "0", "--metrics-port", "0")

DUMB_ASYNC = (sys.executable, "-m", "dumb_async")
LOOPS = ("asyncio", "uvloop", "trio", "anyio-asyncio", "anyio-uvloop", "anyio-trio")

VARIANTS = (sys.executable, "-m", "variants")


def _variant(name: str, *flags: str, **options: Any) -> Target:
    return Target(name, (*VARIANTS, name, *flags, *ANY_PORTS), **options)


TARGETS = (
    *(Target(loop, (*DUMB_ASYNC, "--loop", loop, *ANY_PORTS)) for loop in LOOPS),
    _variant("iterative", lacks={Need.SEVERAL_CLIENTS: "one client at a time"}, patience=2.0),
    _variant("threads"),
    _variant("select"),
    _variant("epoll"),
    _variant("epoll-workers", "--workers", "2"),
    _variant("reactor"),
    _variant("coro"),
    _variant(
        "streams",
        lacks={
            Need.FAIR_PIPELINE: "readline does not yield as long as there is a line",
            Need.DEAF_RESETS: "a transport that is paused or half-closed is not watched",
        },
    ),
)


def foreign(command: str) -> Target:
    """Make a target of any command line, ``{port}`` standing for the port."""
    return Target("foreign", tuple(shlex.split(command)), ours=False)
