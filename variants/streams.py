"""asyncio's streams: ``start_server``, ``readline``, ``drain``, as most tutorials have it.

The model. A task per connection reads a line, answers it, and awaits that the answer can go.
Good at: being written in five minutes; a few hundred clients that behave.
Breaks, quietly: see `LACKS`. A line at a time is slow, too: a task is woken for each.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from contextlib import suppress

from dumb_async import Receive, handle
from dumb_async.hosting import Session
from dumb_async.protocol import NEED_DATA, Action, NeedData

from .common.model import Model
from .common.tutorial import LACKS, BareServer, BareStream


class LineStream(BareStream):
    """A client's reader and writer."""

    async def serve(self, receive: Receive) -> Action | NeedData:
        """Read lines until something has to be done that takes time."""
        action: Action | NeedData = NEED_DATA
        while action is NEED_DATA:
            try:
                action = receive(await self.reader.readline())
            except ValueError:  # a line over 64 KiB
                action = receive(b"")
        return action


class Streams(BareServer):
    """The server, and the context of its handlers."""

    async def serve(self) -> list[asyncio.Server]:
        """Accept clients."""
        return [await asyncio.start_server(self.welcome, sock=one) for one in self.host.listeners]

    async def welcome(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve one client: the handler of the primary server."""
        session = self.session(LineStream(reader, writer))
        with suppress(asyncio.CancelledError):  # a stop
            await handle(session.stream, session, self)

    async def send(self, session: Session[LineStream], data: bytes) -> None:
        """Write, and wait until there is room in the buffer."""
        session.write(data)
        await session.stream.writer.drain()

    async def sleep(self, _session: Session[LineStream], seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)


MODEL = Model("streams", Streams, "start_server, readline, drain", __doc__, lacks=LACKS)

if __name__ == "__main__":
    MODEL.main()
