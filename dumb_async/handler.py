"""The handler: what has to wait for one client, written once for every runtime.

A task exists only while there is CPU work to do or a client that does not take its reply;
one that sleeps or is silent is an entry in a table and nothing else.
"""

import contextlib
import logging

from .dispatcher import Dispatcher
from .hosting import Stats
from .hosting.logs import log_failure
from .hosting.session import AT_ONCE, Session
from .protocol import Action, Close, Compute, NeedData, Send
from .runtimes import Runtime

logger = logging.getLogger(__name__)


class Handler:
    """Performs actions for sessions, one task each while there is something to wait for."""

    def __init__(self, runtime: Runtime, dispatcher: Dispatcher, stats: Stats) -> None:
        self._runtime = runtime
        self._dispatcher = dispatcher
        self._stats = stats
        # Whoever holds it has this turn of the loop: so there is one slice of CPU work, or
        # one large write, per turn, however many clients want one.
        self._turn = runtime.lock()

    async def handle(self, session: Session, action: Action) -> None:
        """Perform ``action`` and those after it, until the core needs data, sleeps or closes.

        Cancelled, it closes the connection as it is.
        """
        after: Action | NeedData = Close()
        try:
            with self._runtime.cancel_scope() as scope:
                session.cancel = scope.cancel
                if session.watched:  # else it was reset before this task began
                    after = await self._perform(session, action)
        except Exception as error:
            self._stats.lost(error)
        finally:
            session.cancel = None
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
            session.stall()
            await self._runtime.wait_writable(session.fd)
            if session.given_up:
                return False
            session.work()

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

    async def _close(self, session: Session, error: Exception | None) -> None:
        if error is not None:
            log_failure(logger, "a command failed, its client was told and closed", error)
        if not session.ended:
            self._dispatcher.unwatch(session)
            await self._linger(session)

    async def refuse(self, session: Session) -> None:
        """Close the connection of a client that was told why and is not served."""
        with contextlib.suppress(OSError):
            await self._linger(session)

    async def _linger(self, session: Session) -> None:
        session.linger()
        while not session.read_away():
            await self._runtime.wait_readable(session.fd)
