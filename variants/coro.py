"""Coroutines by hand: the handler of the primary server on a scheduler of a page.

    handle(client 1): … send, sleep, send …  ── await sleep(0.5) ──▶ ┌───────────┐
    handle(client 2): … serve ─────────────  ── await readable() ──▶ │ scheduler │ ◀── epoll
    handle(client 3): … compute ───────────  ── await turn() ──────▶ └───────────┘ ◀── clock
                                             ◀───── send(None): go on ──────┘

The model. `epoll` again, but the state of a client is not spelled out in an object: it is
where its coroutine stands. Code reads as that of a thread does, from top to bottom. To wait is
to ``yield`` what for, which ``await`` hands down from the handler to the scheduler
(`common.scheduler`); that comes back when it is time. An event loop is no more than this.

Good at: thousands of clients in code that can be read. It is what asyncio does; the runtimes
add tasks that wait for each other, cancellation, and threads for what blocks.

Breaks: where a coroutine does not yield, as every model with one thread. And waiting is
contagious: whatever wants to yield must be awaited, all the way up.
"""

import socket
from contextlib import suppress
from time import monotonic

from dumb_async import Receive, handle
from dumb_async.hosting import READ_SIZE, Session
from dumb_async.protocol import NEED_DATA, Action, Compute, NeedData

from .common.host import Host
from .common.model import Model
from .common.scheduler import Scheduler, readable, sleep, turn, writable
from .common.sockets import SocketStream
from .common.tasks import Tasks


class CoroStream(SocketStream):
    """A client's socket that does not block: who cannot go on awaits that it can."""

    async def serve(self, receive: Receive) -> Action | NeedData:
        """Read, and read again, until something has to be done that takes time."""
        action: Action | NeedData = NEED_DATA
        self._reading = True
        while action is NEED_DATA and not self._ended:
            await readable()
            with suppress(BlockingIOError):
                action = receive(self.sock.recv(READ_SIZE))
        self._reading = False
        return receive(b"") if action is NEED_DATA else action

    async def drain(self) -> None:
        """Write what is left of a reply, as the client takes it."""
        while self.unwritten:
            await writable()
            self.write(self.unwritten)


class CoroContext:
    """Performs actions; whatever takes time is awaited."""

    async def send(self, session: Session[CoroStream], data: bytes) -> None:
        """Write all of it when it is our turn."""
        await turn()
        if data:
            session.write(data)
        if session.blocked:
            session.stall()
            await session.stream.drain()
            session.go_on()

    async def sleep(self, _session: Session[CoroStream], seconds: float) -> None:
        """Let time pass."""
        await sleep(seconds)

    async def compute(self, session: Session[CoroStream], action: Compute) -> None:
        """Compute when it is our turn."""
        await turn()
        session.connection.compute(action)

    async def linger(self, session: Session[CoroStream]) -> None:
        """End our side, and read away what the client says until it ends its own."""
        until = monotonic() + session.linger_for
        with suppress(OSError):
            session.stream.sock.shutdown(socket.SHUT_WR)
            while (left := until - monotonic()) > 0:
                await readable(left)
                if not session.stream.sock.recv(READ_SIZE):
                    return


class Coro:
    """A scheduler, and a task for each client."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.scheduler = Scheduler()
        self.context = CoroContext()
        Tasks(host, self.scheduler, CoroStream, self.serve, self.context.linger).spawn()

    def run(self) -> None:
        """Serve until there is nobody left."""
        while not self.host.over:
            self.scheduler.run_once()

    async def serve(self, session: Session[CoroStream]) -> None:
        """Serve one client: the handler of the primary server."""
        await handle(session.stream, session, self.context)


MODEL = Model("coro", Coro, "the handler on a scheduler made by hand", __doc__)

if __name__ == "__main__":
    MODEL.main()
