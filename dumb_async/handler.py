"""The handler: what has to wait for one client, written once for every runtime.

A task exists only while there is CPU work to do or a client that does not take its reply;
one that sleeps or is silent is an entry in a table and nothing else.
"""

import contextlib
import logging
import socket
from typing import Final

from .dispatcher import Dispatcher
from .logs import log_failure
from .protocol import Action, Close, Compute, NeedData, Send
from .runtimes import Runtime
from .session import AT_ONCE, READ_SIZE, Session
from .settings import Settings
from .stats import Stats

logger = logging.getLogger(__name__)

#: Seconds during which what a refused client still sends is read away. A socket closed
#: with unread bytes is reset, and a reset can overtake the reply that said why.
LINGER: Final = 2.0


class Handler:
    """Performs actions for sessions, one task each while there is something to wait for."""

    def __init__(
        self, runtime: Runtime, dispatcher: Dispatcher, settings: Settings, stats: Stats
    ) -> None:
        self._runtime = runtime
        self._dispatcher = dispatcher
        self._stats = stats
        self._timeout_write = settings.timeout_write or None
        # Whoever holds it has this turn of the loop: so there is one slice of CPU work, or
        # one large write, per turn, however many clients want one.
        self._turn = runtime.lock()

    async def handle(self, session: Session, action: Action) -> None:
        """Perform ``action`` and those after it, until the core needs data, sleeps or closes.

        Cancelled, it closes the connection as it is.
        """
        after: Action | NeedData = Close()
        try:
            with self._runtime.cancel_scope() as session.scope:
                if session.watched:  # else it was reset before this task began
                    after = await self._perform(session, action)
        except Exception as error:
            self._stats.lost(error)
        finally:
            session.scope = None
            if session.watched and not isinstance(after, Close):
                self._dispatcher.carry_on(session, after)
            else:
                self._dispatcher.remove(session)

    async def _perform(self, session: Session, action: Action | NeedData) -> Action | NeedData:
        """Follow the core until it needs data, sleeps or has closed; return which."""
        connection = session.connection
        while True:
            match action:
                case Send(data):
                    if not await self._send(session, data):
                        return Close()
                case Compute():
                    async with self._turn:
                        connection.compute(action)
                        await self._runtime.checkpoint()
                case Close(error):
                    await self._close(session, error)
                    return action
                case _:
                    return action
            action = connection.next_action()

    async def _send(self, session: Session, data: bytes) -> bool:
        """Write all of ``data``; false if the client takes nothing of it for too long."""
        left = memoryview(data)
        while True:
            left = left[await self._send_some(session, left) :]
            if not left:
                return True
            if not await self._wait_writable(session):
                self._stats.timeouts["write"] += 1
                return False

    async def _send_some(self, session: Session, data: memoryview) -> int:
        """Write what the socket takes of ``data``, and let others have their turn."""
        if len(data) <= AT_ONCE:
            sent = session.send(data)
            await self._runtime.checkpoint()
        else:
            async with self._turn:
                sent = session.send(data)
                await self._runtime.checkpoint()
        return sent

    async def _wait_writable(self, session: Session) -> bool:
        unsent = session.unsent()
        while True:
            with self._runtime.cancel_scope(self._timeout_write) as scope:
                await self._runtime.wait_writable(session.fd)
            if not scope.cancelled_caught:
                return True
            # The socket takes more only when a good part of it is free, so a slow
            # reader's progress is what has left it, not what it takes.
            before, unsent = unsent, session.unsent()
            if unsent == before:
                return False

    async def _close(self, session: Session, error: Exception | None) -> None:
        if error is not None:
            log_failure(logger, "a command failed, its client was told and closed", error)
        if not session.ended:
            self._dispatcher.unwatch(session)
            await self._read_away(session.sock)

    async def refuse(self, sock: socket.socket) -> None:
        """Close the socket of a client that was told why and is not served."""
        with contextlib.suppress(OSError), sock:
            await self._read_away(sock)

    async def _read_away(self, sock: socket.socket) -> None:
        """End our side, then read and drop what the client still sends, `LINGER` at the most."""
        sock.shutdown(socket.SHUT_WR)
        with self._runtime.cancel_scope(LINGER):
            while not _at_end(sock):
                await self._runtime.wait_readable(sock.fileno())


def _at_end(sock: socket.socket) -> bool:
    try:
        return not sock.recv(READ_SIZE)
    except BlockingIOError:
        return False
