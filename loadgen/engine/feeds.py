"""What clients send next: the difference between closed and open loops."""

from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from ..counts import Cause, Fault, Phase
from .client import Client
from .lot import Lot

if TYPE_CHECKING:
    from .engine import Engine

#: Seconds between looks at requests that wait for a connection.
PATROL = 0.05
#: Seconds between looks at the generator's own lag, where no instants are planned.
HEARTBEAT = 0.01


class Feed(Protocol):
    """Gives clients requests to send."""

    def feed(self, client: Client, now: float) -> None:
        """Give ``client``, which is connected, as many as it has room for."""


class ClosedLoop:
    """A client sends as soon as it has room: each waits for the server.

    :param until: when it ends, on the monotonic clock.
    """

    def __init__(self, engine: "Engine", lots: list[Lot], script: Iterator[int]) -> None:
        self._engine = engine
        self._lots = lots
        self._script = script
        self._end = engine.begin + engine.seconds
        engine.agenda.at(self._end, lambda _: engine.end(self))
        engine.agenda.at(engine.begin, self._beat)

    def feed(self, client: Client, now: float) -> None:
        """Give it what comes next."""
        if now >= self._end:
            return
        while client.room:
            choice = next(self._script, None)
            if choice is None:
                self._engine.end(self)
                break
            client.take(self._lots[choice], now, now)
        client.flush()

    def _beat(self, due: float) -> None:
        """Find out how late the loop is."""
        if self._engine.feed is self:
            self._engine.tally.lag.record(monotonic() - due)
            self._engine.agenda.at(due + HEARTBEAT, self._beat)


class ThinkingLoop:
    """A client sends, waits for all replies, and thinks before it sends again."""

    def __init__(self, engine: "Engine", lots: list[Lot], script: Iterator[int]) -> None:
        self._engine = engine
        self._lots = lots
        self._script = script
        self._end = engine.begin + engine.seconds
        engine.agenda.at(self._end, lambda _: engine.end(self))

    def feed(self, client: Client, now: float) -> None:
        """Let it think, if it is not at it."""
        if not client.flights and not client.queued:
            pause = client.think() * (1.0 if client.served else client.phase)
            client.queued = True
            self._engine.agenda.at(now + pause, lambda due: self._send(client, due))

    def _send(self, client: Client, due: float) -> None:
        if self._engine.feed is not self:
            return
        client.queued = False
        now = monotonic()
        self._engine.tally.lag.record(now - due)
        while client.room:
            choice = next(self._script, None)
            if choice is None:
                self._engine.end(self)
                break
            client.take(self._lots[choice], due, now)
        client.flush()


class OpenLoop:
    """Requests come at their planned instants, whatever the server does.

    One that finds no connection free waits for it, in order of arrival.
    """

    def __init__(
        self, engine: "Engine", lots: list[Lot], schedule: Iterator[tuple[float, int]]
    ) -> None:
        self._engine = engine
        self._lots = lots
        self._schedule = schedule
        self._idle: deque[Client] = deque()
        self._backlog: deque[tuple[Lot, float]] = deque()
        self._next = next(schedule, None)
        engine.agenda.at(engine.begin + (self._next[0] if self._next else 0), self._arrive)
        engine.agenda.at(engine.begin + PATROL, self._patrol)

    def feed(self, client: Client, now: float) -> None:
        """Give it what has waited longest."""
        backlog = self._backlog
        while client.room and backlog:
            client.take(*backlog.popleft(), now)
        client.flush()
        if client.room and not client.queued:
            client.queued = True
            self._idle.append(client)
        if self._next is None and not backlog:
            self._engine.end(self)

    def _arrive(self, due: float) -> None:  # noqa: ARG002 - the instants are those of the plan
        """Send what is due."""
        engine = self._engine
        begin, lag, now = engine.begin, engine.tally.lag, monotonic()
        while self._next is not None and (planned := begin + self._next[0]) <= now:
            engine.tally.planned += 1
            lag.record(now - planned)
            self._dispatch(self._lots[self._next[1]], planned, now)
            self._next = next(self._schedule, None)
        if engine.feed is not self:
            return
        if self._next is not None:
            engine.agenda.at(begin + self._next[0], self._arrive)
        elif not self._backlog:
            engine.end(self)

    def _dispatch(self, lot: Lot, planned: float, now: float) -> None:
        """Send one request, or let it wait."""
        idle = self._idle
        while idle:
            client = idle.popleft()
            if client.room:
                client.take(lot, planned, now)
                client.flush()
                client.queued = client.room > 0
                if client.queued:
                    idle.append(client)
                return
            client.queued = False
        if self._engine.in_flight + len(self._backlog) < self._engine.options.max_inflight:
            self._backlog.append((lot, planned))
        else:
            self._engine.tally.lost_requests[Fault(Phase.WRITE, Cause.OVERLOAD)] += 1

    def _patrol(self, due: float) -> None:
        """Give up what has waited too long."""
        if self._engine.feed is not self:
            return
        now, backlog = monotonic(), self._backlog
        while backlog and backlog[0][1] + self._engine.options.timeout <= now:
            lot, planned = backlog.popleft()
            lot.counted.response.record(now - planned)
            lot.counted.at_least.record(now - planned)
            self._engine.tally.lost_requests[Fault(Phase.WRITE, Cause.TIMEOUT)] += 1
        if self._next is None and not backlog:
            self._engine.end(self)
        else:
            self._engine.agenda.at(due + PATROL, self._patrol)


class NoMore:
    """There is nothing more to send: who has all its replies leaves."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    def feed(self, client: Client, now: float) -> None:  # noqa: ARG002 - as every feed
        """Let it go."""
        self._engine.answered_last(client)


class NotYet:
    """There is nothing to send before the start."""

    def feed(self, client: Client, now: float) -> None:
        """Let it wait."""
