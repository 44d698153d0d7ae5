"""Accepting connections, our own way under every model.

The accept loops of asyncio, uvloop and anyio log without end, drop clients silently or
give up when descriptors run out (docs/architecture.md). This one counts and says so, and
its caller pauses.
"""

import errno
import socket
from collections.abc import Callable
from typing import Final

from ..protocol import SERVER_BUSY
from .listening import close_door
from .stats import MEMORY, Stats

#: Seconds to wait when descriptors or memory have run out: trio's value. Clients stay
#: in the kernel's queue meanwhile.
PAUSE: Final = 0.1
#: accept(2) fails so when the process or the machine has run out of something.
EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
#: Connections accepted before others have their turn.
BURST: Final = 64
#: More cannot wait, whatever listen(2) was told: ``net.core.somaxconn`` is less on most machines.
LONGEST_BACKLOG: Final = 65_536
#: Refused clients that are given time to read why. Beyond it they are closed at once,
#: so that a flood of them costs no descriptors.
REFUSALS_AT_A_TIME: Final = 32


class NoRoom(Exception):
    """One more client cannot be served; the text is the reason it is counted under."""


class Acceptor:
    """Takes new connections in, or refuses them when the server is full.

    :param make_room: lets those go who have left already; raises `NoRoom` if one more
        cannot be served even then.
    :param admit: takes in a connected socket; may still raise `NoRoom`.
    :param refuse: takes in one that has been told SERVER_BUSY, to close it.
    """

    def __init__(
        self,
        stats: Stats,
        make_room: Callable[[], None],
        admit: Callable[[socket.socket], None],
        refuse: Callable[[socket.socket], None],
    ) -> None:
        self._stats = stats
        self._make_room = make_room
        self._admit = admit
        self._refuse = refuse

    def accept_burst(self, listener: socket.socket, most: int = BURST) -> bool:
        """Accept those who wait, ``most`` of them; false if something has run out."""
        for _ in range(most):
            try:
                sock, _address = listener.accept()
            except BlockingIOError:
                return True
            except OSError as error:  # a client that left while it waited, among others
                self._stats.reject(_name_of(error))
                if error.errno in EXHAUSTED:
                    return False
            except MemoryError:
                self._stats.reject(MEMORY)
                return False
            else:
                self.take(sock)
        return True

    def accept_rest(
        self, listener: socket.socket, backlog: int, over: Callable[[], bool] = lambda: False
    ) -> None:
        """Accept those who have connected, and close the listening socket.

        Nobody is reset: who connects meanwhile is not let in, and refused at the next attempt.

        :param backlog: connections that may wait.
        :param over: tells when not to accept any more.
        """
        close_door(listener)
        for _ in range(min(backlog, LONGEST_BACKLOG) // BURST + 1):
            if over() or not self.accept_burst(listener):
                break
        listener.close()

    def take(self, sock: socket.socket) -> None:
        """Take in one that is connected, whoever has accepted it."""
        sock.setblocking(False)
        try:
            self._make_room()
            self._admit(sock)
        except NoRoom as reason:
            self._turn_away(sock, str(reason))
        except MemoryError:
            self._turn_away(sock, MEMORY)
        except OSError as error:  # no more can be watched, see epoll_ctl(2)
            self._stats.reject(_name_of(error))
            sock.close()

    def _turn_away(self, sock: socket.socket, reason: str) -> None:
        self._stats.reject(reason)
        try:
            sock.send(SERVER_BUSY)
            self._refuse(sock)
        except (OSError, MemoryError, NoRoom):
            sock.close()


def _name_of(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "unknown").lower()
