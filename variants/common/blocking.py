"""A client served by a thread that waits for it: over a socket that blocks.

The steps are those of every other model (`client.Client`). What waits is the thread: in
read(2), in write(2), or here, when a command wants time to pass.
"""

import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from dumb_async.hosting import PAUSE, Acceptor, Phase, Session, Stats

from .client import Client, Surroundings
from .host import Host

#: Seconds that poll(2) is asked to wait at the most: its milliseconds are an int.
LONGEST_WAIT: Final = 86_400.0
#: Seconds between two looks whether a client that is computed for is gone.
LOOK_INTERVAL: Final = 0.1


class InPlace:
    """A schedule for one client alone: to sleep is to sleep, and it is always its turn."""

    def __init__(self) -> None:
        self._look_at = 0.0  # when to look next whether a client that computes is gone

    def sleep(self, client: Client, seconds: float) -> None:
        """Let time pass, and notice a reset meanwhile.

        :raises ConnectionResetError: at once, if the connection is lost.
        """
        errors = select.poll()
        errors.register(client.fd, 0)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if errors.poll(min(left, LONGEST_WAIT) * 1000):
                raise ConnectionResetError

    def queue(self, client: Client) -> None:
        """Go on at once, unless the client is gone.

        :raises ConnectionResetError: if it is.
        """
        if client.given_up:
            raise ConnectionResetError
        # Not at every slice: each system call lets go of the GIL and takes it again before
        # anybody else has woken up, and who lets go by himself is never made to. So threads
        # that compute would pass it to each other, and starve the rest.
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_INTERVAL
            errors = select.poll()
            errors.register(client.fd, 0)
            if errors.poll(0):
                raise ConnectionResetError

    def forget(self, client: Client) -> None:
        """There is nothing to remember."""

    def prod(self, session: Session) -> None:
        """Nobody speaks unasked to a client whose thread is waiting to read."""


class KernelDeadline:
    """The deadline of one client, kept by the kernel: a read or write that lasts too long ends.

    (``SO_RCVTIMEO`` and ``SO_SNDTIMEO``, socket(7); they cost no system call per request.)
    """

    def __init__(self) -> None:
        self.next = float("inf")

    def watch(self, what: Any, due: float) -> None:
        """Have a read end by then, to look what the time is."""
        if due < self.next:
            self.next = due
            _set_timeout(what.sock, socket.SO_RCVTIMEO, due - time.monotonic())

    def discard(self, what: Any) -> None:
        """Nothing to do: the socket is closed next."""

    def look(self, client: Client) -> None:
        """Let the client expire if its time has come."""
        now = time.monotonic()
        if now < self.next:
            return
        self.next = float("inf")
        due = client.due(now)
        if due is not None and due <= now:
            client.expire()
        elif due is not None:
            self.watch(client, due)
        else:
            _set_timeout(client.sock, socket.SO_RCVTIMEO, None)


class BlockingClients:
    """Makes clients whose socket blocks, and serves them, each to its end."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def serve(self, sock: socket.socket, stats: Stats) -> None:
        """Serve one client; returns when it is gone.

        :param stats: where it is counted; of this thread alone.
        """
        stats.connections += 1
        try:
            shared, deadline = self._prepare(sock, stats)
            client = self._host.welcome(sock, shared)
        except (OSError, MemoryError) as error:
            stats.lost(error)
            sock.close()
        else:
            _serve(client, deadline)

    def refuse(self, sock: socket.socket) -> None:
        """Let one that was told SERVER_BUSY read it."""
        try:
            shared, deadline = self._prepare(sock, self._host.stats)
            client = self._host.turn_away(sock, shared)
        except (OSError, MemoryError):
            sock.close()
        else:
            if client is not None:
                _serve(client, deadline)

    def refuse_beside(self, sock: socket.socket) -> None:
        """Do so in a thread, so that nobody waits for it."""
        try:
            threading.Thread(target=self.refuse, args=(sock,), daemon=True).start()
        except (RuntimeError, MemoryError):  # there cannot be one more
            sock.close()

    def _prepare(self, sock: socket.socket, stats: Stats) -> tuple[Surroundings, KernelDeadline]:
        sock.setblocking(True)
        # Looked at twice in that time: whether the client has taken some meanwhile can only
        # be told from one look to the next.
        _set_timeout(sock, socket.SO_SNDTIMEO, self._host.settings.timeout_write / 2 or None)
        schedule, deadline = InPlace(), KernelDeadline()
        return self._host.surroundings(schedule, deadline, stats, schedule.prod), deadline


def _serve(client: Client, deadline: KernelDeadline) -> None:
    """Take one step after the other; each waits for as long as it must."""
    phase, working, closed, clock = client.phase, Phase.WORKING, Phase.CLOSED, time.monotonic
    while phase is not closed:
        phase = client.resume() if phase is working else client.ready()
        if deadline.next <= clock():
            deadline.look(client)
    client.close()


def accept_until_stopped(
    host: Host, acceptor: Acceptor, also: Mapping[int, Callable[[], object]] | None = None
) -> None:
    """Accept one connection after the other; when told to stop, those who wait as well.

    :param also: what to call when one of these descriptors is readable; once each.
    """
    ready = select.poll()
    once = dict(also or {})
    listeners = {listener.fileno(): listener for listener in host.listeners}
    for fd in (host.bell, *once, *listeners):
        ready.register(fd, select.POLLIN)
    while not host.stopping:
        for fd, _ in ready.poll():
            if fd in once:
                ready.unregister(fd)
                once.pop(fd)()
            elif fd in listeners and not acceptor.accept_burst(listeners[fd], 1):
                time.sleep(PAUSE)
    for listener in listeners.values():
        host.accept_rest(acceptor, listener)


def _set_timeout(sock: socket.socket, option: int, seconds: float | None) -> None:
    """Set a timeout of the kernel's; ``None``: there is none."""
    micros = 0 if seconds is None else max(int(seconds * 1e6), 1)
    value = struct.pack("ll", *divmod(micros, 1_000_000))
    sock.setsockopt(socket.SOL_SOCKET, option, value)
