"""What each server is to reach, and what its model cannot be asked for.

A server that is not named here is shown without a target.
"""

from typing import Final

from bench.machine import BenchError

LOOPS: Final = ("uvloop", "asyncio", "trio", "anyio-asyncio", "anyio-uvloop", "anyio-trio")
"""Those of our own server."""
NATIVE: Final = LOOPS[:3]
"""Those with targets. With anyio between, the figures are shown; how soon it starts is judged."""
NESTED: Final = {f"nested-{loop}": loop for loop in NATIVE}
"""One variant on several loops, each measured by a name of its own."""
VARIANTS: Final = (
    "iterative",
    "threads",
    "select",
    "epoll",
    "epoll-workers",
    "reactor",
    "coro",
    "streams",
    *NESTED,
)
"""The contrast servers with our commands; the chats have others, and nothing to compare."""
FLOOR: Final = "floor in C"
FOREIGN: Final = "foreign"
"""The server that the command line starts."""

RATIOS: Final = {
    "ping50": {
        "uvloop": 0.75,
        "asyncio": 0.65,
        "trio": 0.38,
        "epoll": 0.70,
        "reactor": 0.65,
        "coro": 0.60,
        "threads": 0.45,
    },
    "ping1000": {
        "uvloop": 0.65,
        "asyncio": 0.55,
        "trio": 0.38,
        "epoll": 0.70,
        "reactor": 0.65,
        "coro": 0.60,
    },
    "pipeline64": {"uvloop": 0.60, "asyncio": 0.55, "trio": 0.38},
    "stream": dict.fromkeys(NATIVE, 1.5),
}
"""At least: requests (bytes of a STREAM) a second, as a ratio to the floor's."""
OF_BARE: Final = {"ping50": dict.fromkeys(NATIVE, 0.88)}
"""At least: requests a second, as a ratio to the bare protocol's of the same loop."""
IDLE_BYTES: Final = {**dict.fromkeys(NATIVE, 4096.0), "epoll": 2048.0}
"""At most."""
INTAKE_S: Final = dict.fromkeys(NATIVE, 2.0)
"""At most, until all clients are taken in."""
READY_S: Final = dict.fromkeys((FLOOR, *LOOPS, FOREIGN), 0.5)
"""At most."""
P99_MS: Final = dict.fromkeys((*NATIVE, FOREIGN, "epoll", "reactor", "coro"), 5.0)
"""At most, for a bystander, whatever the others do."""
SPEEDUP: Final = 1.6
"""At least: what two workers on two CPUs do, as a ratio to one on one CPU."""

GENERATED: Final = {
    "ratio": 0.60,
    "crowd_s": 2.0,
    "crowd_bytes": 8192.0,
    "missed": 0.001,
    "lag_ms": 2.0,
}
"""Of the load generator: at least, beside the load in C; at most, all others."""

MOST_CLIENTS: Final = {"iterative": 1, "select": 924}
"""How many connections a model serves at a time, where that is part of the model."""


def check_room(server: str, connections: int) -> None:
    """Raise BenchError where a server's model cannot serve so many connections at a time."""
    most = MOST_CLIENTS.get(server, connections)
    if connections > most:
        raise BenchError(f"needs {connections:,} connections at a time, its model serves {most:,}")
