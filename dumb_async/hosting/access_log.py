"""The access log: a line per exchange, from a read to the last reply to it.

It names the client's address and the commands, never what the client has sent.
"""

import logging
import socket
from collections.abc import MutableMapping
from time import monotonic

from ..protocol import NEED_DATA, Action, NeedData
from .listening import show_address
from .session import S, Session, SessionContext

logger = logging.getLogger(__name__)


class AccessLog:
    """Counts for one client, and logs what it adds to the totals.

    :param totals: where all clients are counted, by label.
    """

    __slots__ = ("_peer", "_since", "_totals", "counts")

    def __init__(self, sock: socket.socket, totals: MutableMapping[str, int]) -> None:
        self.counts = dict.fromkeys(totals, 0)
        self._totals = totals
        self._since = 0.0
        try:
            self._peer = show_address(sock.getpeername()[:2])
        except OSError:  # gone already
            self._peer = "?"

    def begin(self, now: float) -> None:
        """Something has been read, at this time on the monotonic clock."""
        self._since = now

    def end(self) -> None:
        """Whatever was asked is answered."""
        asked = {label: count for label, count in self.counts.items() if count}
        if not asked:
            return
        for label, count in asked.items():
            self._totals[label] += count
            self.counts[label] = 0
        seconds = round(monotonic() - self._since, 6)
        logger.info(
            "%s %s in %.6f s",
            self._peer,
            " ".join(f"{label}={count}" for label, count in asked.items()),
            seconds,
            extra={"fields": {"peer": self._peer, "requests": asked, "seconds": seconds}},
        )


class LoggedSession(Session[S]):
    """A session with an access log."""

    __slots__ = ("_log",)

    def __init__(self, stream: S, context: SessionContext, sock: socket.socket) -> None:
        self._log = AccessLog(sock, context.stats.requests)
        super().__init__(stream, context, self._log.counts)

    def receive(self, data: bytes) -> Action | NeedData:
        self._log.begin(monotonic())
        action = super().receive(data)
        if action is NEED_DATA:
            self._log.end()
        return action

    def _listen(self) -> None:
        self._log.end()
        super()._listen()

    def close(self) -> None:
        self._log.end()
        super().close()
