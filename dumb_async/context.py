"""The server's context: who is connected, and how actions are performed for them.

Waiting is the runtime's: its sleep, its locks, its time-outs. Two things in a turn of the loop
could be long, a slice of CPU work and a large write. They are taken under one fair lock that
is held across a checkpoint, so there is one of them per turn, however many clients want one.
Those who wake up in the same instant go on one a turn, too.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any, Final

from .hosting import AT_ONCE, Connect, Deadlines, Session, SessionContext, Settings, Stats
from .protocol import NEED_DATA, Action, Close, Compute, NeedData
from .resets import Resets
from .runtimes import Runtime, RuntimeStream

#: Bytes of a large reply that are written in one turn; what the socket does not take of them
#: is all that is kept for a client who does not read.
WRITE_SIZE: Final = 1_048_576

Client = Session[RuntimeStream]


class ServerContext(SessionContext):
    """What all clients of a server have in common; see `handler.Context`."""

    __slots__ = ("_runtime", "_turn", "_waking", "refused", "resets", "sessions", "when_empty")

    def __init__(
        self, runtime: Runtime, connect: Connect, settings: Settings, stats: Stats
    ) -> None:
        super().__init__(connect, settings, stats, Deadlines())
        self.resets = Resets(self.lost)
        #: Of everybody who is connected.
        self.sessions: dict[RuntimeStream, Client] = {}
        #: Those who only read why they are refused.
        self.refused: set[RuntimeStream] = set()
        self.when_empty: Callable[[], object] = lambda: None
        self._runtime = runtime
        self._turn = runtime.lock()
        self._waking = runtime.lock()

    async def send(self, session: Client, data: bytes) -> None:
        """Write all of ``data``, a large piece a turn.

        :raises OSError: if the connection is lost.
        """
        if len(data) <= AT_ONCE:
            if data:
                session.write(data)
            await self._runtime.checkpoint()
        else:
            await self._send_in_pieces(session, memoryview(data))
        if session.blocked:
            await self._drain(session)

    async def _send_in_pieces(self, session: Client, left: memoryview) -> None:
        while left:
            if session.blocked:
                await self._drain(session)
            async with self._turn:
                session.write(left[:WRITE_SIZE])
                left = left[WRITE_SIZE:]
                await self._runtime.checkpoint()

    async def sleep(self, session: Client, seconds: float) -> None:
        """Let ``seconds`` pass, and those go on who woke up before."""
        with self._watched(session.stream):
            await self._runtime.sleep(seconds)
            # If a thousand who are due together went on in one turn of the loop, everybody
            # else would wait for 15 ms on asyncio, and for 49 ms on trio (2026-11-22).
            async with self._waking:
                await self._runtime.checkpoint()

    async def compute(self, session: Client, action: Compute) -> None:
        """Do one slice of CPU work when it is our turn."""
        with self._watched(session.stream):
            async with self._turn:
                session.connection.compute(action)
                await self._runtime.checkpoint()

    async def linger(self, session: Client) -> None:
        """End our side, and read away what the client still says, for a while."""
        self.resets.forget(session.stream)  # that both sides have ended is no reset
        with contextlib.suppress(OSError):
            await read_away(self._runtime, session.stream, session.linger_for)

    def lost(self, stream: RuntimeStream) -> None:
        """The connection is lost, whoever has noticed: end what is done for it."""
        if stream in self.sessions:
            self.sessions[stream].lost(ConnectionResetError())
        self.resets.forget(stream)
        stream.cancel()

    def left(self, session: Any) -> None:
        """Called with each session that is closed."""
        self.resets.forget(session.stream)
        self.sessions.pop(session.stream, None)
        self.stats.active = len(self.sessions)
        if not self.sessions:
            self.when_empty()

    async def aclose(self) -> None:
        """Close what nobody has closed: asyncio begins no task that is cancelled before."""
        for session in list(self.sessions.values()):
            self.refused.add(session.stream)
            session.close()
        for stream in self.refused:
            await stream.aclose()

    async def _drain(self, session: Client) -> None:
        """Wait until the client has taken enough; its deadline cancels that."""
        session.stall()
        with self._watched(session.stream):
            await session.stream.drain()
        session.go_on()

    def _watched(self, stream: RuntimeStream) -> contextlib.AbstractContextManager[object]:
        """Break off what is done inside when the client resets the connection."""
        self.resets.watch(stream)
        return stream.cancellable()


async def read_away(runtime: Runtime, stream: RuntimeStream, seconds: float) -> None:
    """End our side, then read away what the client says, until it ends or the time is over.

    :raises OSError: if the connection is lost.
    """
    stream.write_eof()
    with stream.cancellable():
        await runtime.within(seconds, functools.partial(stream.serve, _until_the_end))


def _until_the_end(data: bytes) -> Action | NeedData:
    """Forget what was read."""
    return NEED_DATA if data else Close()
