"""A connection on which nothing is said."""

import asyncio
from typing import TYPE_CHECKING, Any

from ..counts import Cause, Fault, Phase

if TYPE_CHECKING:
    from .engine import Engine


class Idler(asyncio.Protocol):
    """Holds a connection, and complains if it is lost."""

    __slots__ = ("closing", "engine", "transport", "tried")

    def __init__(self, engine: "Engine") -> None:
        self.engine = engine
        self.transport: Any = None
        self.tried = False
        self.closing = False

    def connection_made(self, transport: Any) -> None:
        """There it is."""
        self.transport = transport
        self.engine.attempted(self)
        if self.closing:
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """The server, or we, have ended it."""
        self.transport = None
        if not self.closing:
            fault = Fault.of(Phase.READ, error) if error else Fault(Phase.READ, Cause.EOF)
            self.engine.tally.lost_connections[fault] += 1

    def close(self) -> None:
        """It is needed no more."""
        self.closing = True
        if self.transport is not None:
            self.transport.close()
