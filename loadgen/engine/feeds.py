"""What clients send next: the difference between closed and open loops."""

import math
from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from ..counts import Cause, Fault, Phase
from ..plan import Arrivals, Plan
from .client import Client
from .lot import Lot

if TYPE_CHECKING:
    from .engine import Engine

#: Seconds between looks at requests that wait for a connection.
PATROL = 0.05
#: Requests that are sent in one turn at the most, however many are overdue: replies, and the word
#: to stop, are heard between turns.
TURN = 256
#: Seconds after its time in which an open loop still sends what was due.
OVERTIME = 0.5
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

    One that finds no connection free waits for it, in order of arrival. It lasts as long as was
    asked for, and, if something is overdue by then, `OVERTIME` longer: what is not sent after that
    counts as overload.
    """

    def __init__(self, engine: "Engine", lots: list[Lot], plan: Plan) -> None:
        self._engine = engine
        self._lots = lots
        self._plan = plan
        self._schedule = plan.schedule()
        self._idle: deque[Client] = deque()
        self._backlog: deque[tuple[Lot, float]] = deque()
        self._over = False  # its time is
        # Only these end with the last request, see `Plan.lasts`.
        counted = plan.arrivals is Arrivals.POISSON and plan.requests is not None
        self._most = plan.share.count(plan.requests or 0) if counted else -1
        self._next = next(self._schedule, None)
        if self._next is not None:
            engine.agenda.at(engine.begin + self._next[0], self._arrive)
        engine.agenda.at(engine.begin + PATROL, self._patrol)
        engine.agenda.at(engine.begin + plan.lasts, self._finish)

    def feed(self, client: Client, now: float) -> None:
        """Give it what has waited longest."""
        backlog = self._backlog
        while client.room and backlog:
            client.take(*backlog.popleft(), now)
        client.flush()
        if client.room and not client.queued:
            client.queued = True
            self._idle.append(client)
        self._end_if_done()

    def _arrive(self, due: float) -> None:  # noqa: ARG002 - the instants are those of the plan
        """Send what is due, no more of it than a turn's."""
        engine = self._engine
        if engine.feed is not self:
            return
        begin, lag, now, left = engine.begin, engine.tally.lag, monotonic(), TURN
        while left and self._next is not None and (planned := begin + self._next[0]) <= now:
            left -= 1
            engine.tally.planned += 1
            lag.record(now - planned)
            self._dispatch(self._lots[self._next[1]], planned, now)
            self._next = next(self._schedule, None)
        if self._next is not None:
            # What is overdue comes after whatever else there is to do by now.
            engine.agenda.at(max(begin + self._next[0], monotonic()), self._arrive)
            return
        if engine.tally.planned == self._most:
            self._over = True
        self._end_if_done()

    def _finish(self, due: float) -> None:
        """Its time is over."""
        self._over = True
        if not self._end_if_done():
            self._engine.agenda.at(due + OVERTIME, self._owe)

    def _owe(self, due: float) -> None:  # noqa: ARG002 - it is late enough
        """Give up what waits, and what the generator has not even come to."""
        if self._engine.feed is not self:
            return
        self._give_up(math.inf, Cause.OVERLOAD)
        if self._next is not None:
            self._next, tally = None, self._engine.tally
            owed = max(self._plan.due(self._plan.lasts) - tally.planned, 1)
            tally.planned += owed
            tally.lost_requests[Fault(Phase.WRITE, Cause.OVERLOAD)] += owed
        self._end_if_done()

    def _give_up(self, until: float, cause: Cause) -> None:
        """Give up what waits since ``until`` or longer: it has taken at least as long as it has."""
        now, backlog = monotonic(), self._backlog
        while backlog and backlog[0][1] <= until:
            lot, planned = backlog.popleft()
            lot.counted.response.record(now - planned)
            lot.counted.at_least.record(now - planned)
            self._engine.tally.lost_requests[Fault(Phase.WRITE, cause)] += 1

    def _end_if_done(self) -> bool:
        """End it, if it has nothing more to do; whether it is at its end."""
        if self._over and self._next is None and not self._backlog:
            self._engine.end(self)
        return self._engine.feed is not self

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
        self._give_up(monotonic() - self._engine.options.timeout, Cause.TIMEOUT)
        if not self._end_if_done():
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
