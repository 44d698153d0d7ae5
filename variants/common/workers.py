"""Workers as their parent sees them: loops in processes or threads, each behind a channel.

Over a channel go connections (SCM_RIGHTS, unix(7)) and a few words. When it ends, that is
the word to stop: no worker outlives its parent.
"""

import logging
import mmap
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn, Protocol

from .reports import Report, unpack

#: Words of the channel.
CONNECTION, STOP, CUT, REPORT = b"c", b"s", b"x", b"r"
#: Seconds that a worker may take to report what it has counted.
PATIENCE: Final = 1.0
#: Bytes of one report at the most.
REPORT_SIZE: Final = 1 << 20


class Spawned(Protocol):
    """Something that runs beside us."""

    def join(self, seconds: float) -> None:
        """Wait for its end, so long at the most."""


class Process:
    """Calls ``work`` in a process forked off: it has a GIL of its own."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._pid = os.fork()
        if not self._pid:
            _run_and_exit(work)
        #: A descriptor that is readable once it has ended.
        self.ended = os.pidfd_open(self._pid)

    def join(self, seconds: float) -> None:
        """Wait for its end; one that does not come in time is made."""
        if not select.select([self.ended], [], [], seconds)[0]:
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self.ended)


class Thread:
    """Calls ``work`` in a thread: it shares the GIL with all others."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for its end; one that does not come in time ends with the process."""
        self._thread.join(seconds)


def _run_and_exit(work: Callable[[], None]) -> NoReturn:
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        logging.shutdown()
        os._exit(status)


class Worker:
    """The parent's end of a channel, and what it knows of the worker at the other.

    :param room: how many clients the worker has descriptors for.
    """

    def __init__(self, room: int) -> None:
        self.alive = True
        self._room = room
        self._handed = 0
        #: How many of them are gone: shared memory that the worker alone writes.
        self.gone = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")
        self.channel, self.other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.setblocking(False)
        self._asking = threading.Lock()
        self._asked = 0

    @property
    def clients(self) -> int:
        """How many clients it has."""
        return self._handed - self.gone[0] if self.alive else 0

    @property
    def has_room(self) -> bool:
        """Whether it can take one more."""
        return self.alive and self.clients < self._room

    def take(self, sock: socket.socket) -> bool:
        """Hand a connection over; false if the worker cannot take it now."""
        if not self.has_room:
            return False
        try:
            socket.send_fds(self.channel, [CONNECTION], [sock.fileno()])
        except OSError:  # so much to do that the channel is full; or it has died
            return False
        self._handed += 1
        return True

    def tell(self, word: bytes) -> None:
        """Say a word to it, if it is still there and listens."""
        if self.alive:
            with suppress(OSError):
                self.channel.send(word)

    def stop(self) -> None:
        """Have it stop; by the end of the channel, if there is no room for a word in it."""
        try:
            self.channel.send(STOP)
        except BlockingIOError:
            self.channel.shutdown(socket.SHUT_WR)
        except OSError:  # it has died
            pass

    def report(self) -> Report:
        """What it has counted; nothing, if it does not say so in time."""
        with self._asking:
            self._asked += 1
            self.tell(REPORT + b"%d" % self._asked)
            with suppress(OSError):
                while self.alive and self._has_said_something():
                    data = self.channel.recv(REPORT_SIZE)
                    if not data:
                        break
                    number, report = unpack(data)
                    if number == self._asked:  # else an answer that came too late last time
                        return report
            return []

    def _has_said_something(self) -> bool:
        ready = select.poll()
        ready.register(self.channel, select.POLLIN)
        return bool(ready.poll(PATIENCE * 1000))
