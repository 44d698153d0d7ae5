"""A stream over a socket that blocks: its methods never suspend, they just take their time.

So the handler of the primary server, run to its end, is the loop of a thread. What waits is
the thread: in recv(2), in send(2), or in poll(2), when a command wants time to pass.
"""

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from dumb_async import Receive, handle
from dumb_async.hosting import PAUSE, READ_SIZE, Acceptor, Session, Stats, open_session
from dumb_async.protocol import NEED_DATA, Action, Compute, NeedData

from .host import Host
from .sockets import SocketStream

#: Seconds that poll(2) is asked to wait at the most: its milliseconds are an int.
LONGEST_WAIT: Final = 86_400.0
#: Seconds between two looks whether a client that is computed for is gone.
LOOK_INTERVAL: Final = 0.1

NEVER: Final = float("inf")


class BlockingStream(SocketStream):
    """A client's socket that blocks, and whose deadlines are kept by the kernel.

    A call that lasts too long ends with EAGAIN (``SO_RCVTIMEO`` and ``SO_SNDTIMEO``, socket(7));
    that costs no system call per request.

    :param patience: seconds a client may take nothing of its reply; 0: for ever.
    """

    __slots__ = ("_due", "_look_at", "session")
    session: Session["BlockingStream"]

    def __init__(self, sock: socket.socket, patience: float) -> None:
        super().__init__(sock)
        self._due = NEVER  # when to ask the session whether its time is over
        self._look_at = 0.0  # when to look whether a client that is computed for is gone
        sock.setblocking(True)
        # Looked at twice in that time: whether the client has taken some meanwhile can only
        # be told from one look to the next.
        _set_timeout(sock, socket.SO_SNDTIMEO, patience / 2 or None)

    async def serve(self, receive: Receive) -> Action | NeedData:
        """Read, and read again, until something has to be done that takes time."""
        action: Action | NeedData = NEED_DATA
        self._reading = True
        while action is NEED_DATA and not self._ended:
            with contextlib.suppress(BlockingIOError):
                action = receive(self.sock.recv(READ_SIZE))
            if self._due <= time.monotonic():
                self._look_at_deadline()
        self._reading = False
        return receive(b"") if action is NEED_DATA else action

    def write(self, data: bytes | memoryview) -> bool:
        """Write all of it, however long the client takes."""
        left = memoryview(data)
        while left:
            try:
                left = left[self.sock.send(left) :]
            except BlockingIOError:
                self._be_patient()
            else:
                self.session.go_on()
        return True

    def watch(self, _session: object, due: float) -> None:
        """Have a read end by then, to look what the time is; see `dumb_async.hosting.Watch`."""
        if due < self._due:
            self._due = due
            _set_timeout(self.sock, socket.SO_RCVTIMEO, due - time.monotonic())

    def discard(self, session: object) -> None:
        """Nothing to do: the socket is closed next."""

    def poll_errors(self, seconds: float) -> None:
        """Let time pass.

        :raises ConnectionResetError: as soon as the connection is lost.
        """
        errors = select.poll()
        errors.register(self.fd, 0)
        until = time.monotonic() + seconds
        while True:
            left = max(until - time.monotonic(), 0)
            if errors.poll(min(left, LONGEST_WAIT) * 1000):
                raise ConnectionResetError
            if not left:
                return

    def poll_errors_now_and_then(self) -> None:
        """Look whether the connection is lost, ten times a second at the most.

        Not oftener: each system call lets go of the GIL and takes it again before anybody else
        has woken up, and who lets go by himself is never made to. So threads that compute
        would pass it to each other, and starve the rest.
        """
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_INTERVAL
            self.poll_errors(0)

    def read_away(self, seconds: float) -> None:
        """End our side; read away what the client says until it ends, or the time is over."""
        until = time.monotonic() + seconds
        self.sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(BlockingIOError):
            while (left := until - time.monotonic()) > 0:
                _set_timeout(self.sock, socket.SO_RCVTIMEO, left)
                if not self.sock.recv(READ_SIZE):
                    break

    def _look_at_deadline(self) -> None:
        """Let the session expire if its time has come."""
        now = time.monotonic()
        self._due = NEVER
        due = self.session.due(now)
        if due is None:
            _set_timeout(self.sock, socket.SO_RCVTIMEO, None)
        elif due <= now:
            self.session.expire()
        else:
            self.watch(self.session, due)

    def _be_patient(self) -> None:
        """The client has taken nothing for a while: how often may that be?"""
        now = time.monotonic()
        if not self.session.stalled:
            self.session.stall()
        elif (self.session.due(now) or NEVER) <= now:
            self.session.expire()


class BlockingContext:
    """Performs actions where it stands; see `dumb_async.handler.Context`."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def send(self, session: Session[BlockingStream], data: bytes) -> None:
        """Write all of it."""
        if data:
            session.write(data)

    async def sleep(self, session: Session[BlockingStream], seconds: float) -> None:
        """Let time pass, and notice a reset meanwhile."""
        session.stream.poll_errors(seconds)

    async def compute(self, session: Session[BlockingStream], action: Compute) -> None:
        """Compute at once, unless the client is gone, or everybody is to be."""
        # Threads that compute leave so little to the one that cuts them off that it might never
        # get to the last of them: a flag ends all of them at once.
        if self._host.cancelled:
            raise ConnectionAbortedError
        session.stream.poll_errors_now_and_then()
        session.connection.compute(action)

    async def linger(self, session: Session[BlockingStream]) -> None:
        """Let the client hear us out."""
        with contextlib.suppress(OSError):
            session.stream.read_away(session.linger_for)


class BlockingClients:
    """Makes clients whose socket blocks, and serves them, each to its end."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._context = BlockingContext(host)

    def serve(self, sock: socket.socket, stats: Stats) -> None:
        """Serve one client; returns when it is gone.

        :param stats: where it is counted; of this thread alone.
        """
        stats.connections += 1
        try:
            session = self._open(sock, stats)
            self._host.serve(session)
        except (OSError, MemoryError) as error:
            stats.lost(error)
            sock.close()
        else:
            run_to_its_end(handle(session.stream, session, self._context))

    def refuse(self, sock: socket.socket) -> None:
        """Let one that was told SERVER_BUSY read it."""
        with sock, contextlib.suppress(OSError, MemoryError):
            session = self._open(sock, self._host.stats, refused=True)
            try:
                if self._host.reject(session):
                    run_to_its_end(self._context.linger(session))
            finally:
                session.close()

    def refuse_beside(self, sock: socket.socket) -> None:
        """Do so in a thread, so that nobody waits for it."""
        try:
            threading.Thread(target=self.refuse, args=(sock,), daemon=True).start()
        except (RuntimeError, MemoryError):  # there cannot be one more
            sock.close()

    def _open(
        self, sock: socket.socket, stats: Stats, *, refused: bool = False
    ) -> Session[BlockingStream]:
        stream = BlockingStream(sock, self._host.settings.timeout_write)
        context = self._host.context(stream, stats, refused=refused)
        stream.session = session = open_session(sock, stream, context)
        return session


def run_to_its_end(coroutine: Any) -> None:
    """Run a coroutine that never suspends."""
    with contextlib.suppress(StopIteration):
        coroutine.send(None)
        raise RuntimeError("a blocking stream does not suspend")


def accept_until_stopped(
    host: Host, acceptor: Acceptor, also: Mapping[int, Callable[[], object]] | None = None
) -> None:
    """Accept one connection after the other; when told to stop, those who wait as well.

    :param also: what to call when one of these descriptors is readable; once each.
    """
    ready = select.poll()
    once = dict(also or {})
    listeners = {listener.fileno(): listener for listener in host.listeners}
    for fd in (host.stop_event, *once, *listeners):
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
