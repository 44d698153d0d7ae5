"""A run of a plan, from the first connection to the last."""

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import replace
from time import monotonic
from typing import Any, Final

from dumb_async import Service
from dumb_async.hosting import Deadlines

from ..counts import Fault, Phase, Tally
from ..plan import Plan
from .agenda import Agenda
from .client import Client
from .dialer import Dialer
from .feeds import ClosedLoop, Feed, NoMore, NotYet, OpenLoop, ThinkingLoop
from .idler import Idler
from .lot import draw
from .options import Options
from .vitals import Vitals, Watch

#: Seconds between looks at what is to expire; `Deadlines` is no more exact than that.
LOOK: Final = 1 / 32


class Engine:
    """Clients, what they send, and what is counted of it.

    :param address: of the server, see `resolve`.
    :param begin: the instant, on the monotonic clock, at which measuring begins.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        plan: Plan,
        service: Service,
        address: tuple[Any, Any],
        options: Options,
    ) -> None:
        self.plan = plan
        self.service = service
        self.options = options
        self.tally = Tally()
        self.deadlines = Deadlines()
        self.agenda = Agenda(loop)
        self.feed: Feed = NotYet()
        self.begin = self.seconds = 0.0
        self.wrong: tuple[bytes, bytes] | None = None  # what was asked and what came, at first
        self._loop = loop
        self._dialer = Dialer(
            loop, address, options.sources, options.connect_timeout, lambda: self.tally
        )
        numbers = itertools.count(plan.share.index, plan.share.of)
        self._spare = (Client(self, number) for number in numbers)
        self.clients: list[Client] = []  # who is there, or is to be, in the order they came
        self._idlers: list[Idler] = []
        self._open = 0  # clients that have a connection, or are at getting one
        self._untried = 0  # clients and idlers that have neither had one nor failed to
        self._over = False
        self._awaited: set[Client] = set()  # at the end, those that have not all their replies
        self._connecting_s = 0.0
        self._changed = asyncio.Event()
        self._watch: Watch | None = None

    async def connect(self) -> None:
        """Let all connect who are there from the beginning; return once all have or failed.

        :raises asyncio.CancelledError: and clients go on to connect; `abort` ends them.
        """
        for number in range(self.plan.share.count(self.options.idle)):
            self._idle(number)
        begun = monotonic()
        self.agenda.at(begun, self._look)
        if not self.plan.staged:
            for _ in range(self.plan.share.count(round(self.plan.clients.highest))):
                self._come()
        await self._until(lambda: not self._untried)
        self._connecting_s = monotonic() - begun

    async def run(self, start: float) -> None:
        """Carry out the plan from ``start``, an instant on the monotonic clock, to its end."""
        if self.plan.staged:
            for at, by in self.plan.clients.changes(self.plan.share.index, self.plan.share.of):
                self.agenda.at(start + at, self._come if by > 0 else self._go)
        if self.options.warmup:
            warm_up = self.plan.warm_up(self.options.warmup)
            self.agenda.at(start, lambda begin: self._begin(begin, warm_up))
            start += self.options.warmup
        self.agenda.at(start, self._measure)
        await self._until(lambda: self._over and not self._open)
        self.tally.never_served = sum(
            client.failed and not client.served for client in self.clients
        )

    def stop(self) -> None:
        """Send nothing more; who has all replies leaves."""
        if self._watch is None:
            self._watch = Watch()
        self.end(self.feed)

    async def close(self) -> None:
        """Cut what is still there."""
        self._over = True
        await self._dialer.close()
        everybody: list[Client | Idler] = [*self.clients, *self._idlers]
        for one in everybody:
            if one.transport is not None:
                one.transport.abort()
        self.agenda.close()

    @property
    def vitals(self) -> Vitals:
        """How the generator did."""
        vitals = (self._watch or Watch()).vitals
        return replace(vitals, connecting_s=self._connecting_s)

    @property
    def in_flight(self) -> int:
        """Requests under way, where every connection has as many as it may."""
        return self.tally.connected * self.plan.pipeline

    # What clients and feeds tell it

    def made(self, client: Client) -> None:
        """A client has a connection."""
        self.tally.connections += 1
        self.tally.connected += 1
        self.attempted(client)
        if client.wanted:
            self.feed.feed(client, monotonic())
        else:
            client.leave()

    def parted(self, client: Client, *, failed: bool) -> None:
        """A client has lost its connection, or ended it."""
        self.tally.connected -= 1
        self._open -= 1
        if client in self._awaited:
            self._release(client)
        self._again(client, self.options.reconnect_delay if failed else 0.0)

    def end(self, feed: Feed) -> None:
        """The feed has no more to send."""
        if feed is not self.feed or self._watch is None:
            return  # a warm-up's: the measuring follows
        self.feed = NoMore(self)
        self._over = True
        self._watch.stop()
        for client in self.clients:
            client.wanted = False
        self._awaited = {client for client in self.clients if client.flights}
        if not self.options.stay:
            self._dismiss(client for client in self.clients if client not in self._awaited)
        elif not self._awaited:
            self._dismiss(self.clients)
        for idler in self._idlers:
            idler.close()
        self._settle()

    def answered_last(self, client: Client) -> None:
        """A reply came after the end."""
        if self._watch:
            self._watch.reply()
        if not client.flights:
            self._release(client)

    def note_wrong(self, asked: bytes, came: bytes) -> None:
        """Remember the first reply that was wrong, to show it."""
        self.wrong = self.wrong or (asked, came)

    def attempted(self, one: Client | Idler) -> None:
        """A client or idler has a connection, or has failed to get one."""
        if not one.tried:
            one.tried = True
            self._untried -= 1
            self._settle()

    # Clients come and go

    def _idle(self, number: int) -> None:
        idler = Idler(self)
        self._idlers.append(idler)
        self._untried += 1
        self._dialer.dial(number, idler, lambda _: self.attempted(idler))

    def _come(self, _due: float = 0.0) -> None:
        if self._over:
            return
        self._untried += 1
        client = next(self._spare)
        self.clients.append(client)
        self.tally.clients += 1
        self._dial(client)

    def _go(self, _due: float) -> None:
        if self._over:
            return
        client = next(client for client in reversed(self.clients) if client.wanted)
        client.wanted = False
        if client.transport is not None:
            client.leave()

    def _dial(self, client: Client) -> None:
        self._open += 1
        self._dialer.dial(client.number, client, lambda fault: self._undialed(client, fault))

    def _undialed(self, client: Client, _fault: Fault) -> None:
        client.failed = True
        self.attempted(client)
        self._open -= 1
        self._again(client, self.options.reconnect_delay)

    def _again(self, client: Client, delay: float) -> None:
        if client.wanted and not self._over:
            if delay:
                self.agenda.at(monotonic() + delay, lambda _: self._redial(client))
            else:
                self._dial(client)
        self._settle()

    def _redial(self, client: Client) -> None:
        if client.wanted and not self._over:
            self._dial(client)

    def _release(self, client: Client) -> None:
        """It waits for nothing any more; if others do not either, or it is not to care, it goes."""
        self._awaited.discard(client)
        if not self.options.stay:
            client.leave()
        elif not self._awaited:
            self._dismiss(self.clients)

    def _dismiss(self, clients: Iterable[Client]) -> None:
        for client in clients:
            if client.transport is not None:
                client.leave()

    # The course of a run

    def _begin(self, begin: float, plan: Plan) -> None:
        """Have ``plan`` carried out from ``begin``, if it has not been stopped before."""
        if self._over:
            return
        self.begin = begin
        self.seconds = plan.seconds if plan.seconds is not None else float("inf")
        lots = draw(plan.mix, self.service, self.tally)
        if plan.rate is not None:
            self.feed = OpenLoop(self, lots, plan.schedule())
        elif plan.think.seconds:
            self.feed = ThinkingLoop(self, lots, plan.script())
        else:
            self.feed = ClosedLoop(self, lots, plan.script())
        now = monotonic()
        for client in self.clients:
            client.queued = False
            if client.transport is not None:
                self.feed.feed(client, now)

    def _measure(self, begin: float) -> None:
        """Forget what the warm-up counted, and begin."""
        if self._over:
            return
        warm = self.tally
        self.tally = Tally(
            connect=warm.connect,
            connections=warm.connections,
            connected=warm.connected,
            clients=warm.clients,
        )
        self.tally.lost_connections.update(
            {f: n for f, n in warm.lost_connections.items() if f.phase is Phase.CONNECT}
        )
        self._watch = Watch()
        self._begin(begin, self.plan)

    def _look(self, _due: float) -> None:
        """Let requests and connections expire whose time is over."""
        now = monotonic()
        more = self.deadlines.run_due(now)  # a batch at a time: others have their turn
        self.agenda.at(now if more else now + LOOK, self._look)

    def _settle(self) -> None:
        self._changed.set()

    async def _until(self, condition: Any) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()
