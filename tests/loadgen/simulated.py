"""An engine whose clock, connections and server are given: what it does is exact, and at once.

Its plan, its clients and its counts are those of any run; its alarm rings when the test has come
to that instant, and not when a busy machine has.
"""

import asyncio
import heapq
import math
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from itertools import count, pairwise
from typing import Any, Final

import pytest

from dumb_async import dumb_service
from loadgen.counts import Histogram
from loadgen.engine import Engine, Options
from loadgen.plan import Plan

from .faulty import REPLIES

#: Seconds after which a run would have no end.
LIMIT: Final = 1000.0
#: Where the engine reads the clock.
_READERS: Final = ("agenda", "client", "engine", "feeds")


class Simulation:
    """A clock that only what happens moves, and whom clients are connected to.

    :param answered: when what is asked at an instant, on a connection by its number, is answered.
    :param ended: what the server does at the end of what a client says.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        answered: Callable[[float, int], float] = lambda at, _: at,
        ended: Callable[["Connection"], object] = lambda connection: connection.end(),
    ) -> None:
        self.now = 0.0
        #: When clients got their connections, and when these ended.
        self.came: list[float] = []
        self.went: list[float] = []
        #: When something was asked, on each connection.
        self.asked: list[list[float]] = []
        self.answered = answered
        self.ended = ended
        self.alarm = math.inf
        self.ring: Callable[[], object]
        self.connections: list[Connection] = []
        self._serial = count()
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        for name in _READERS:
            module = import_module(f"loadgen.engine.{name}")
            monkeypatch.setattr(module, "monotonic", lambda: self.now)
        agenda, engine = (import_module(f"loadgen.engine.{name}") for name in ("agenda", "engine"))
        monkeypatch.setattr(agenda, "Timer", lambda _, ring: _Timer(self, ring))
        monkeypatch.setattr(engine, "Dialer", lambda *_: _Dialer(self))

    def at(self, instant: float, event: Callable[[], object]) -> None:
        """Let something happen then."""
        heapq.heappush(self._events, (instant, next(self._serial), event))

    def stall(self, instant: float, seconds: float) -> None:
        """Let the generator have no CPU for so long."""
        self.at(instant, lambda: self._pass(seconds))

    def run(self, plan: Plan, options: Options = Options()) -> Engine:  # noqa: B008 - frozen
        """Carry out ``plan`` from 0 on."""
        return asyncio.run(self._run(plan, options))

    async def _run(self, plan: Plan, options: Options) -> Engine:
        loop = asyncio.get_running_loop()
        address = (socket.AF_INET, ("127.0.0.1", 9))
        engine = Engine(loop, plan, dumb_service(), address, options)
        await engine.connect()
        running = asyncio.ensure_future(engine.run(0.0))
        try:
            while not running.done():
                await asyncio.sleep(0)
                self._go_on()
        finally:
            await engine.close()
            for connection in self.connections:
                connection.cut()
        return engine

    def _go_on(self) -> None:
        """Come to what happens next."""
        assert self.now < LIMIT
        if self._events and self._events[0][0] <= self.alarm:
            instant, _, event = heapq.heappop(self._events)
        else:
            instant, event, self.alarm = self.alarm, self.ring, math.inf
        self.now = max(self.now, instant)
        event()
        for connection in self.connections:
            connection.hear()

    def _pass(self, seconds: float) -> None:
        self.now += seconds


class _Timer:
    """The engine's alarm."""

    def __init__(self, simulation: Simulation, ring: Callable[[], object]) -> None:
        self._simulation = simulation
        simulation.ring = ring

    def set(self, instant: float) -> None:
        """Ring then."""
        self._simulation.alarm = instant

    def close(self) -> None:
        """Ring no more."""


class _Dialer:
    """Connects whoever asks, at once."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def dial(self, _number: int, protocol: asyncio.Protocol, _failed: object) -> None:
        """Connect ``protocol``."""
        simulation = self._simulation
        simulation.came.append(simulation.now)
        simulation.connections.append(Connection(simulation, protocol))
        protocol.connection_made(simulation.connections[-1])  # type: ignore[arg-type]

    async def close(self) -> None:
        """Connect nobody any more."""


class Connection:
    """A client's transport, and the server's end of it."""

    def __init__(self, simulation: Simulation, protocol: asyncio.Protocol) -> None:
        self._simulation = simulation
        self._protocol = protocol
        self._number = len(simulation.connections)
        self._theirs, self._ours = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        simulation.asked.append([])

    # As the client calls its transport

    def get_extra_info(self, _name: str) -> "Connection":
        """The socket: its descriptor is ours."""
        return self

    def fileno(self) -> int:
        """Where the client writes."""
        return self._ours

    def get_write_buffer_size(self) -> int:
        """Nothing is left to be written."""
        return 0

    def write_eof(self) -> None:
        """The client has said all."""
        self.later(0.0, lambda: self._simulation.ended(self))

    def close(self) -> None:
        """It is at its end already."""

    def abort(self) -> None:
        """The client has done with it."""

    # As the server does

    def hear(self) -> None:
        """Take in what was asked, and answer in time."""
        try:
            data = os.read(self._theirs, 65_536)
        except BlockingIOError:
            return
        now = self._simulation.now
        for line in data.splitlines():
            self._simulation.asked[self._number].append(now)
            answered = self._simulation.answered(now, self._number)
            self.later(answered - now, partial(self.say, REPLIES[line]))

    def later(self, seconds: float, event: Callable[[], object]) -> None:
        """Let something happen after so long."""
        self._simulation.at(self._simulation.now + seconds, event)

    def say(self, text: bytes) -> None:
        """Say something to the client."""
        self._protocol.data_received(text)

    def end(self) -> None:
        """End it as well."""
        self._simulation.went.append(self._simulation.now)
        self._protocol.eof_received()
        self._protocol.connection_lost(None)

    def cut(self) -> None:
        """Let go of it."""
        os.close(self._theirs)
        os.close(self._ours)


def seconds_of(histogram: Histogram) -> Any:
    """What was counted, as seconds in increasing order; equal to what is as good as the same."""
    found = [micros / 1e6 for micros, number in histogram for _ in range(number)]
    return pytest.approx(found, rel=1e-3, abs=2e-6)


def gaps(instants: Sequence[float]) -> list[float]:
    """What lies between them."""
    return [after - before for before, after in pairwise(instants)]
