"""What is left of a server when its author has read a tutorial and nothing else.

It keeps no deadline, refuses nobody, and when it is told to stop it just ends; what that
means to clients is in `LACKS`.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from typing import Any, Final, TypeVar

from dumb_async.hosting import Session, open_session
from dumb_async.protocol import Compute

from .host import Host
from .needs import Need

S = TypeVar("S", bound="BareStream")

#: What `start_server`, `readline` and `drain` do not hold by themselves.
LACKS: Final = {
    Need.FAIR_PIPELINE: "readline does not yield as long as there is a line",
    Need.RESETS: "nobody looks at the connection while a command waits or computes",
    Need.DEAF_RESETS: "a transport that is paused or half-closed is not watched",
    Need.OVERSIZE: "readline waits for the end of a line, however long, and fails at 64 KiB",
    Need.LINGERING: "the writer is closed with unread input, which is a reset",
    Need.TIMEOUTS: "readline waits for ever, and so does drain",
    Need.CAPACITY: "start_server accepts everybody",
    Need.DESCRIPTORS: "start_server logs each failed accept, thousands of times",
    Need.DRAINING: "a stop ends the loop, whoever is being served",
}


class BareStream:
    """A client's reader and writer, and what else a session asks of a stream: nothing."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def open(self) -> None:
        """It is open."""

    async def aclose(self) -> None:
        """Close it, once the buffer is empty."""
        self.writer.close()

    def write(self, data: bytes | memoryview) -> bool:
        """Put it into the writer's buffer."""
        self.writer.write(data)
        return True

    def unread(self) -> int:
        """Nobody knows."""
        return 0

    def unsent(self) -> int:
        """Nobody knows."""
        return 0

    def feed_eof(self) -> None:
        """The client alone ends its input."""

    def wake(self) -> None:
        """Nobody speaks unasked to it."""

    def cancel(self) -> None:
        """It ends with the loop."""


class BareServer:
    """A server that ends when it is told to stop, whoever is connected."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._context = host.context(_NoDeadlines())

    def run(self) -> None:
        """Serve until told to stop."""
        asyncio.run(self._main())

    async def serve(self) -> list[asyncio.Server]:
        """Accept clients."""
        raise NotImplementedError

    def session(self, stream: S) -> Session[S]:
        """Make the session of a client."""
        self.host.stats.connections += 1
        sock = stream.writer.get_extra_info("socket")
        session = open_session(sock, stream, self._context)
        self.host.serve(session)
        return session

    async def compute(self, session: Session[Any], action: Compute) -> None:
        """Compute a slice, and let others have their turn."""
        session.connection.compute(action)
        await asyncio.sleep(0)

    async def linger(self, session: Session[Any]) -> None:
        """Hang up."""

    async def _main(self) -> None:
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.host.stop_event, stopped.set)
        servers = await self.serve()
        await stopped.wait()
        for server in servers:
            server.close()
        # 3.11 stumbles over tasks of clients that are cancelled before they have begun.
        await asyncio.sleep(0)


class _NoDeadlines:
    """Watches nothing; see `dumb_async.hosting.Watch`."""

    def watch(self, what: Any, due: float) -> None:
        pass

    def discard(self, what: Any) -> None:
        pass
