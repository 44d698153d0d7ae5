"""The accept loop, our own on every runtime.

Those of asyncio, uvloop and anyio log without end, drop clients silently or give up
when descriptors run out (docs/architecture.md). This one pauses, counts and goes on.
"""

import errno
import socket
from collections.abc import Callable
from typing import Final

from .protocol import SERVER_BUSY
from .runtimes import Runtime
from .stats import BUSY, Stats

#: Seconds to wait when descriptors or memory have run out: trio's value. Clients stay
#: in the kernel's queue meanwhile.
PAUSE: Final = 0.1
#: accept(2) fails so when the process or the machine has run out of something.
EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
#: Connections accepted before others have their turn.
BURST: Final = 64


class Acceptor:
    """Takes new connections in, or refuses them when the server is full.

    :param has_room: tells whether one more can be served.
    :param make_room: lets those go who have left already, if there is no room.
    :param admit: takes in a connected socket.
    :param refuse: takes in one that has been told SERVER_BUSY, to close it.
    """

    def __init__(
        self,
        stats: Stats,
        has_room: Callable[[], bool],
        make_room: Callable[[], None],
        admit: Callable[[socket.socket], None],
        refuse: Callable[[socket.socket], None],
    ) -> None:
        self._stats = stats
        self._has_room = has_room
        self._make_room = make_room
        self._admit = admit
        self._refuse = refuse

    async def run(self, runtime: Runtime, listener: socket.socket) -> None:
        """Accept until cancelled; no connection is lost by the cancellation."""
        while True:
            await runtime.wait_readable(listener.fileno())
            if not self.accept_burst(listener):
                await runtime.sleep(PAUSE)

    def accept_burst(self, listener: socket.socket) -> bool:
        """Accept those who wait, `BURST` at the most; false if something has run out."""
        self._make_room()
        for _ in range(BURST):
            try:
                sock, _address = listener.accept()
            except BlockingIOError:
                return True
            except OSError as error:  # a client that left while it waited, among others
                self._reject(error)
                if error.errno in EXHAUSTED:
                    return False
            else:
                self._take(sock)
        return True

    def _take(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        if self._has_room():
            self._welcome(sock)
            return
        self._stats.reject(BUSY)
        try:
            sock.send(SERVER_BUSY)
        except OSError:
            sock.close()
        else:
            self._refuse(sock)

    def _welcome(self, sock: socket.socket) -> None:
        try:
            self._admit(sock)
        except OSError as error:  # no more can be watched, see epoll_ctl(2)
            self._reject(error)
            sock.close()
        else:
            self._stats.connections += 1

    def _reject(self, error: OSError) -> None:
        self._stats.reject(errno.errorcode.get(error.errno or 0, "unknown").lower())
