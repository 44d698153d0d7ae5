"""Descriptors kept back, so that one can still be had when all others are taken."""

import os
import socket
from contextlib import suppress
from threading import Lock


class Spares:
    """Descriptors that are open and of no use; from any thread.

    :param count: how many to keep; with fewer to be had, fewer.
    :raises OSError: if there is none at all.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = Lock()
        self._source = os.eventfd(0, os.EFD_CLOEXEC)
        self._held: list[int] = []
        self.refill()

    def release(self) -> bool:
        """Let go of them, for somebody to open something; false if there were none."""
        with self._lock:
            held, self._held = self._held, []
        for fd in held:
            os.close(fd)
        return bool(held)

    def refill(self) -> None:
        """Take as many as are missing, if they can be had."""
        with self._lock, suppress(OSError):
            while len(self._held) < self._count:
                self._held.append(os.dup(self._source))

    def close_socket(self, sock: socket.socket) -> None:
        """Close a socket; its descriptor is kept if one is missing, before anybody gets it."""
        with self._lock:
            if len(self._held) < self._count and (fd := sock.detach()) >= 0:
                os.dup2(self._source, fd, inheritable=False)
                self._held.append(fd)
        sock.close()
        self.refill()

    def close(self) -> None:
        """Let go of all of them, for good; sockets are still closed."""
        with self._lock:
            self._count = 0
            os.close(self._source)
        self.release()
