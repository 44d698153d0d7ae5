"""What is put under the suite: servers as data."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module

from variants import module_of
from variants.common.needs import Need

__all__ = [
    "ANY_PORTS",
    "DUMB_ASYNC",
    "ENDLESS",
    "LOOPS",
    "MORE",
    "TARGETS",
    "VARIANTS",
    "Need",
    "Target",
    "foreign",
]

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
    """

    id: str
    argv: tuple[str, ...]
    ours: bool = True
    lacks: Mapping[Need, str] = field(default_factory=dict)


#: For machines on which anything may run: ports that are free.
ANY_PORTS = ("--port", "0", "--metrics-port", "0")

DUMB_ASYNC = (sys.executable, "-m", "dumb_async")
LOOPS = ("asyncio", "uvloop", "trio", "anyio-asyncio", "anyio-uvloop", "anyio-trio")

VARIANTS = (sys.executable, "-m", "variants")


def _variant(name: str, *flags: str, called: str = "") -> Target:
    lacks = import_module(f"variants.{module_of(name)}").MODEL.lacks
    argv = (*VARIANTS, name, *flags, *ANY_PORTS)
    return Target(called or name, argv, lacks=lacks)


def _nested(loop: str) -> Target:
    return _variant("nested", "--loop", loop, called=f"nested-{loop}")


TARGETS = (
    *(Target(loop, (*DUMB_ASYNC, "--loop", loop, *ANY_PORTS)) for loop in LOOPS),
    _variant("iterative"),
    _variant("threads"),
    _variant("select"),
    _variant("epoll"),
    _variant("epoll-workers", "--workers", "2"),
    _variant("reactor"),
    _variant("coro"),
    _variant("streams"),
    _nested("asyncio"),
)

#: Put under it when they are asked for by name: the loop is the same, in somebody else's.
MORE = (_nested("uvloop"), _nested("trio"))


def foreign(command: str) -> Target:
    """Make a target of any command line, ``{port}`` standing for the port."""
    return Target("foreign", tuple(shlex.split(command)), ours=False)
