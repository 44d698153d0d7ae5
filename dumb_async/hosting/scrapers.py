"""Who is at the metrics page, and how many at a time."""

import socket
import threading
from contextlib import suppress
from time import monotonic
from typing import Final

#: Scrapers served at a time.
SCRAPERS: Final = 8
#: Seconds that one may take to say what it wants, or to take what it gets, while others wait.
GRACE: Final = 0.5


class Scrapers:
    """Seats at the page: who finds all of them taken waits.

    A page takes milliseconds, so whoever has made us wait for longer, and others too, is cut off:
    the one who has done so for longest. Nobody is for whom the page is being made.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._seated: dict[socket.socket, float] = {}  # since when we wait for each; 0: we do not
        self._closed = False

    def enter(self, scraper: socket.socket) -> bool:
        """Give a seat to one who has connected, when there is one; false once it is closed."""
        with self._changed:
            while len(self._seated) >= SCRAPERS and not self._closed:
                self._changed.wait(self._cut_off())
            if not self._closed:
                self._seated[scraper] = monotonic()
            return not self._closed

    def serve(self, scraper: socket.socket) -> None:
        """It has said what it wants: now it waits for us."""
        self._note(scraper, 0.0)

    def await_reader(self, scraper: socket.socket) -> None:
        """The page is made: now we wait for it to be taken."""
        self._note(scraper, monotonic())

    def leave(self, scraper: socket.socket) -> None:
        """Its seat is free."""
        with self._changed:
            self._seated.pop(scraper, None)
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody is given a seat any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _note(self, scraper: socket.socket, since: float) -> None:
        with self._changed:
            if scraper in self._seated:
                self._seated[scraper] = since
                self._changed.notify_all()

    def _cut_off(self) -> float | None:
        """Cut off one who is too slow; else return how long to wait until there may be one."""
        waited_for = {one: since for one, since in self._seated.items() if since}
        if not waited_for:
            return None
        slowest = min(waited_for, key=lambda one: waited_for[one])
        left = waited_for[slowest] + GRACE - monotonic()
        if left > 0:
            return left
        self._seated[slowest] = 0.0  # its thread does the rest
        with suppress(OSError):
            slowest.shutdown(socket.SHUT_RDWR)
        return None
