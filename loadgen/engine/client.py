"""One client: a connection at a time, requests under way, replies checked as they come in."""

import asyncio
import os
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from dumb_async.protocol import (
    NEED_DATA,
    SERVER_BUSY,
    ClientConnection,
    Closed,
    Outcome,
    Reply,
)

from ..counts import Cause, Commanded, Fault, Phase

if TYPE_CHECKING:
    from .engine import Engine
    from .lot import Lot

#: A request under way: where it is counted, for when it was planned, when it was written.
Flight = tuple[Commanded, float, float]

OK = Outcome.OK

#: Its multiples are spread evenly over every unit (Weyl 1916): the golden ratio's fraction.
GOLDEN = 0.6180339887498949


class Client(asyncio.Protocol):
    """A client of the server, through all its connections.

    :param number: its own, among those of all agents.
    """

    __slots__ = (
        "connection",
        "due_at",
        "engine",
        "failed",
        "fd",
        "flights",
        "leaving",
        "number",
        "pending",
        "phase",
        "queued",
        "room",
        "served",
        "think",
        "tick",
        "to_go",
        "transport",
        "tried",
        "wanted",
    )

    def __init__(self, engine: "Engine", number: int) -> None:
        self.engine = engine
        self.number = number
        self.tick: int | None = None
        self.transport: Any = None  # asyncio.Transport, while it is connected
        self.connection: ClientConnection
        self.flights: deque[Flight] = deque()
        self.pending: list[bytes] = []  # to be written
        self.room = 0  # requests it may have under way besides those it has
        self.to_go = 0  # requests until it reconnects; less than 0: it never does
        self.leaving = False  # it takes nothing more
        self.wanted = True  # it connects again when it has lost its connection
        self.queued = False  # the feed will come back to it
        self.tried = False  # it has had a connection, or failed to
        self.failed = False  # at least once
        self.served = False
        self.due_at: float | None = None  # when it must have left
        self.phase = number * GOLDEN % 1.0  # clients that think do not begin in step
        self.think = engine.plan.think.of(number, engine.plan.seed)

    def connection_made(self, transport: Any) -> None:
        """Begin anew."""
        self.transport = transport
        self.fd = transport.get_extra_info("socket").fileno()
        self.connection = ClientConnection(self.engine.service)
        self.leaving = not self.wanted
        self.to_go = self.engine.options.reconnect_every or -1
        self.room = self.engine.plan.pipeline
        self.engine.made(self)

    def take(self, lot: "Lot", planned: float, now: float) -> None:
        """Take one request to send; `flush` writes it."""
        self.pending.append(self.connection.ask(lot.request))
        lot.counted.sent += 1
        self.flights.append((lot.counted, planned, now))
        self.room -= 1
        if self.tick is None:
            self.engine.deadlines.watch(self, planned + self.engine.options.timeout)
        if self.to_go > 0:
            self.to_go -= 1
            if not self.to_go:
                self.room = 0
                self.leaving = True

    def flush(self) -> None:
        """Write what was taken."""
        if self.pending:
            data = b"".join(self.pending)  # one of them alone is not copied
            self.pending.clear()
            self._write(data)

    def _write(self, data: bytes) -> None:
        """Write here and now.

        A transport of uvloop writes at the end of a turn, after it has read for everybody:
        what is measured would be its queue. It is left what the kernel does not take.
        """
        written = 0
        if not self.transport.get_write_buffer_size():
            try:
                written = os.write(self.fd, data)
            except OSError:  # the kernel has no room, or the transport will hear what is wrong
                pass
        if written < len(data):
            self.transport.write(data[written:])

    def data_received(self, data: bytes) -> None:
        """Check replies, count them, and go on."""
        now = monotonic()
        connection, flights = self.connection, self.flights
        if connection.receive_reply(data):  # as most of the time
            counted, planned, written = flights.popleft()
            counted.response.record(now - planned)
            counted.service.record(now - written)
            self._go_on(1)
            return
        connection.receive_data(data)
        before = len(flights)
        while (event := connection.next_event()) is not NEED_DATA:
            if type(event) is Reply and event.outcome is OK:
                counted, planned, written = flights.popleft()
                counted.response.record(now - planned)
                counted.service.record(now - written)
            elif not self._complain(event):
                return
        self._go_on(before - len(flights))

    def _go_on(self, answered: int) -> None:
        """So many requests more have been answered."""
        if answered:  # else it is a part of a reply, or what nobody asked for
            self.served = True
        if self.leaving:
            if answered and not self.flights:
                self.leave()
        else:
            self.room += answered
            self.engine.feed.feed(self, monotonic())

    def eof_received(self) -> bool:
        """Say what the end of input leaves unanswered, and close."""
        connection = self.connection
        connection.receive_eof()
        while (event := connection.next_event()) is not NEED_DATA and self._complain(event):
            pass
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Count what is lost with it."""
        if self.transport is None:
            return  # it was dropped, and counted
        if error is not None or self.flights:
            self.fail(Fault.of(self._phase(error), error))
        else:
            self.part()

    def due(self, now: float) -> float | None:  # noqa: ARG002 - as `Deadlines` calls it
        """When it will have waited too long; ``None``: it waits for nothing."""
        if self.flights:
            return self.flights[0][1] + self.engine.options.timeout
        return self.due_at if self.leaving and self.transport else None

    def expire(self) -> None:
        """Give up what is under way: it has taken at least as long as it has."""
        now = monotonic()
        for counted, planned, _ in self.flights:
            counted.response.record(now - planned)
            counted.at_least.record(now - planned)
        phase = Phase.READ if self.flights else Phase.CLOSE
        if self.flights and self.transport.get_write_buffer_size():
            phase = Phase.WRITE
        self.fail(Fault(phase, Cause.TIMEOUT))

    def leave(self) -> None:
        """End the connection in good order: our end first, then the server's."""
        self.leaving = True
        self.room = 0
        if self.transport is not None and not self.flights:
            self.due_at = monotonic() + self.engine.options.timeout
            self.engine.deadlines.watch(self, self.due_at)
            self.transport.write_eof()

    def fail(self, fault: Fault) -> None:
        """The connection is no good any more, nor is what is under way on it."""
        tally = self.engine.tally
        self.failed = True
        tally.lost_connections[fault] += 1
        if self.flights:
            tally.lost_requests[fault] += len(self.flights)
            self.flights.clear()
        if self.transport is not None:
            self.transport.abort()
        self.part(failed=True)

    def part(self, *, failed: bool = False) -> None:
        """Part with the connection."""
        self.transport = None
        self.pending.clear()
        self.room = 0
        self.engine.deadlines.discard(self)
        self.engine.parted(self, failed=failed)

    def _phase(self, error: Exception | None) -> Phase:
        if self.leaving and not self.flights:
            return Phase.CLOSE
        return Phase.WRITE if isinstance(error, BrokenPipeError) else Phase.READ

    def _complain(self, event: Any) -> bool:
        """Count what is not a right reply; return whether the connection is still good."""
        if isinstance(event, Closed):
            self._end(event)
            return False
        busy = event.text == SERVER_BUSY
        if event.outcome is Outcome.WRONG or busy:
            if not busy:
                self.engine.note_wrong(event.request, event.text)
            self.fail(Fault(Phase.READ, Cause.BUSY if busy else Cause.WRONG_REPLY))
            return False
        self.engine.tally.lost_requests[Fault(Phase.READ, Cause.REJECTED)] += 1
        self.flights.popleft()
        return True

    def _end(self, closed: Closed) -> None:
        """The server has closed."""
        if closed.stray == SERVER_BUSY:
            self.fail(Fault(Phase.READ, Cause.BUSY))
        elif closed.stray:
            self.engine.note_wrong(b"", closed.stray)
            self.fail(Fault(Phase.READ, Cause.WRONG_REPLY))
        elif closed.unanswered or not self.leaving:
            self.fail(Fault(Phase.READ, Cause.EOF))
        else:
            self.transport.close()
