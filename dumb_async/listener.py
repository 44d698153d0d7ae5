"""How clients come in: the accept loop, and a task for everybody who is accepted."""

import socket
from contextlib import suppress
from operator import methodcaller
from typing import Final

from .context import ServerContext, read_away
from .handler import handle
from .hosting import (
    LINGER,
    PAUSE,
    REFUSALS_AT_A_TIME,
    Aborted,
    Acceptor,
    Capacity,
    NoRoom,
    open_session,
    warn_of_descriptors,
)
from .runtimes import Runtime, RuntimeStream, TaskGroup

#: Clients accepted before others have their turn: to begin a task and a transport for one takes
#: some 50 to 100 microseconds.
AT_A_TIME: Final = 16
#: Turns of the loop in which a client that has left is noticed, by every runtime.
TURNS_TO_LEAVE: Final = 4


class Clients:
    """Takes clients in, each with a task in ``group``; refuses those there is no room for."""

    def __init__(self, context: ServerContext, runtime: Runtime, group: TaskGroup) -> None:
        self._context = context
        self._runtime = runtime
        self._group = group
        self._capacity = Capacity(context.settings)
        warn_of_descriptors(context.settings)
        self.acceptor = Acceptor(context.stats, self._check_room, self._admit, self._refuse)

    @property
    def full(self) -> bool:
        """Whether there is no room for another client."""
        try:
            self._check_room()
        except NoRoom:
            return True
        return False

    def end_input(self) -> None:
        """End the input of all clients: what they have asked is answered."""
        for session in list(self._context.sessions.values()):
            session.end_input()

    def cancel(self) -> None:
        """Break off what is done for clients, those who are refused as well."""
        for session in list(self._context.sessions.values()):
            session.cancel()
        for stream in list(self._context.refused):
            stream.cancel()

    def _check_room(self) -> None:
        self._capacity.check(len(self._context.sessions))

    def _admit(self, sock: socket.socket) -> None:
        context = self._context
        stream = self._runtime.stream(sock, context.lost)
        session = open_session(sock, stream, context)
        context.sessions[stream] = session
        context.stats.active = len(context.sessions)
        try:
            self._group.start_stream(handle, stream, session, context)
        except BaseException:
            session.close()  # the socket is the acceptor's again
            raise
        context.stats.connections += 1

    def _refuse(self, sock: socket.socket) -> None:
        if len(self._context.refused) >= REFUSALS_AT_A_TIME:
            raise NoRoom
        stream = self._runtime.stream(sock, methodcaller("cancel"))
        self._group.start_stream(self._see_out, stream)
        self._context.refused.add(stream)

    async def _see_out(self, stream: RuntimeStream) -> None:
        """Let a client read why it is refused."""
        try:
            with suppress(OSError, Aborted):
                await stream.open()
                await read_away(self._runtime, stream, LINGER)
        finally:
            self._context.refused.discard(stream)
            await stream.aclose()


async def accept(runtime: Runtime, clients: Clients, listener: socket.socket) -> None:
    """Accept until cancelled; no connection is lost by the cancellation."""
    while True:
        await runtime.wait_readable(listener.fileno())
        if clients.full:  # let those go first who have left already
            for _ in range(TURNS_TO_LEAVE):
                await runtime.checkpoint()
        if not clients.acceptor.accept_burst(listener, AT_A_TIME):
            await runtime.sleep(PAUSE)
