"""The handler: one coroutine for each client, from connect to close.

It is the loop that every driver of the core follows: ask what is next, do it, ask again. It
knows neither a runtime nor a socket, and awaits nothing but methods of its stream and of its
context. So this very function runs on asyncio, uvloop, trio and anyio, on the hand-made
scheduler of `variants.coro` and over the tutorial's streams; and over a stream whose methods
never suspend it is the loop of a thread.

    socket ──▶ stream ── receive(data) ──▶ session ──▶ core
    socket ◀── stream ◀──── write(data) ── session ◀── core
                  │
                  └── wakes the handler only for what has to wait

While the handler is parked in ``serve``, the stream hands each read to ``session.receive``, a
plain function that answers at once whatever can be: a PING wakes no coroutine.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from . import hosting
from .hosting import Session, log_failure
from .protocol import Action, Close, Compute, NeedData, Send, Sleep

logger = logging.getLogger(__name__)

Receive = Callable[[bytes], Action | NeedData]


class Stream(hosting.Stream, Protocol):
    """The connection to one client."""

    async def open(self) -> None:
        """Get ready to read and to write."""

    def serve(self, receive: Receive, /) -> Awaitable[Action | NeedData]:
        """Hand reads to ``receive``, the end of input as ``b""``, until something has to wait.

        :return: what ``receive`` has returned that is not NEED_DATA.
        """

    async def aclose(self) -> None:
        """Close it as it is: what is unsent is dropped. Cancelled, it is closed all the same."""


S = TypeVar("S", bound=Stream)


class Context(Protocol[S]):
    """What performs actions for a session: all that takes time."""

    async def send(self, session: Session[S], data: bytes, /) -> None:
        """Write all of ``data``, and give others their turn."""

    async def sleep(self, session: Session[S], seconds: float, /) -> None:
        """Let ``seconds`` pass."""

    async def compute(self, session: Session[S], action: Compute, /) -> None:
        """Do one slice of CPU work when it is our turn."""

    async def linger(self, session: Session[S], /) -> None:
        """End our side, and read away what the client still says, so that it hears us out."""


async def handle(stream: S, session: Session[S], context: Context[S]) -> None:
    """Serve one client, from its first request to its end.

    A lost connection, a deadline or a bug ends it quietly: it is counted, or logged. Cancelled
    at any await, it closes the connection as it is and lets go of what was asked.
    """
    try:
        await stream.open()
        action = session.next_action()
        while not isinstance(action, Close):
            match action:
                case NeedData():
                    action = await stream.serve(session.receive)
                    continue
                case Send(data):
                    await context.send(session, data)
                case Sleep(seconds):
                    await context.sleep(session, seconds)
                case Compute():
                    await context.compute(session, action)
            action = session.next_action()
        if action.error is not None:
            log_failure(logger, "a command failed, its client was told and closed", action.error)
        if not session.ended:
            await context.linger(session)
    except Exception as error:
        session.lost(error)
    finally:
        session.close()
        await stream.aclose()
