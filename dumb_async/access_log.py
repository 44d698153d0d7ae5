"""The access log: a line per exchange, from a read to the last reply to it.

It names the client's address and the commands, never what the client has sent.
"""

import logging
import socket
from time import monotonic

from .listening import show_address
from .protocol import NEED_DATA, Action, NeedData
from .session import Session, Shared

logger = logging.getLogger(__name__)


class LoggedSession(Session):
    """A session that counts for itself first, and logs what it adds to the totals."""

    __slots__ = ("_counts", "_peer", "_since", "_totals")

    def __init__(self, sock: socket.socket, shared: Shared) -> None:
        self._totals = shared.stats.requests
        self._counts = dict.fromkeys(self._totals, 0)
        self._since = 0.0
        try:
            self._peer = show_address(sock.getpeername()[:2])
        except OSError:  # gone already
            self._peer = "?"
        super().__init__(sock, shared, self._counts)

    def receive(self, now: float) -> Action | NeedData:
        self._since = now
        action = super().receive(now)
        if action is NEED_DATA:
            self._log()
        return action

    def resume(self) -> None:
        self._log()
        super().resume()

    def close(self) -> None:
        self._log()
        super().close()

    def _log(self) -> None:
        asked = {label: count for label, count in self._counts.items() if count}
        if not asked:
            return
        for label, count in asked.items():
            self._totals[label] += count
            self._counts[label] = 0
        seconds = round(monotonic() - self._since, 6)
        logger.info(
            "%s %s in %.6f s",
            self._peer,
            " ".join(f"{label}={count}" for label, count in asked.items()),
            seconds,
            extra={"fields": {"peer": self._peer, "requests": asked, "seconds": seconds}},
        )
