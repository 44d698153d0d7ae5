"""A server that answers PING as cheaply as Python can, to find out how fast who asks is.

    epoll ─▶ read(2) ─▶ one look into a table ─▶ write(2)

It takes for granted that a read has whole requests in it, as it has from our own clients,
and closes a connection that says anything else.
"""

import multiprocessing
import os
import select
import socket
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from dumb_async.hosting import raise_descriptor_limit

from .engine import Target
from .interrupting import interruptible
from .shelter import be_deaf, sheltered

#: Requests that may come in one read, at the most.
MOST: Final = 1024
REPLIES: Final = {b"PING\n" * n: b"PONG\n" * n for n in range(1, MOST + 1)}
_READ: Final = 5 * MOST
_BACKLOG: Final = 4096

_context = multiprocessing.get_context("spawn")


class NullServer:
    """A null server in a process of its own, from the beginning of a ``with`` block to its end.

    :param cpus: those it may run on; empty: all.
    """

    def __init__(self, cpus: Sequence[int] = ()) -> None:
        self._cpus = tuple(cpus)
        self.target: Target

    def __enter__(self) -> Self:
        self._pipe, theirs = _context.Pipe()
        self._process = _context.Process(target=_serve, args=(self._cpus, theirs), daemon=True)
        with theirs, sheltered():
            self._process.start()
        try:
            with interruptible():
                self.target = Target("127.0.0.1", self._pipe.recv())
        except EOFError:
            self._end()
            raise OSError("the null server did not begin") from None
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def busy_s(self) -> float:
        """Seconds it has run on a CPU, or waited for one (proc_schedstat(5))."""
        try:
            words = Path(f"/proc/{self.pid}/schedstat").read_text().split()
            return (int(words[0]) + int(words[1])) / 1e9
        except (OSError, IndexError, ValueError):
            return 0.0

    def _end(self) -> None:
        self._pipe.close()  # it takes that for the end
        self._process.join(2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(cpus: tuple[int, ...], pipe: "Connection[int, None]") -> None:
    """Be the process: say which port it is, and serve until the pipe is closed."""
    be_deaf()
    if cpus:
        os.sched_setaffinity(0, cpus)
    raise_descriptor_limit()
    with (
        socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener,
        select.epoll() as poll,
    ):
        listener.setblocking(False)
        poll.register(listener, select.EPOLLIN)
        poll.register(pipe, select.EPOLLIN)
        pipe.send(listener.getsockname()[1])
        _loop(poll, listener, pipe.fileno())


def _loop(poll: select.epoll, listener: socket.socket, end: int) -> None:
    clients: dict[int, socket.socket] = {}
    door = listener.fileno()
    read, write, replies, wait = os.read, os.write, REPLIES, poll.poll
    while True:
        for fd, _ in wait():
            if fd in clients:
                try:
                    write(fd, replies[read(fd, _READ)])
                except (OSError, KeyError):  # KeyError: the end of input, or what is no PING
                    clients.pop(fd).close()
            elif fd == door:
                _accept(poll, listener, clients)
            elif fd == end:
                return


def _accept(poll: select.epoll, listener: socket.socket, clients: dict[int, socket.socket]) -> None:
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:  # there is none more, or no descriptor for it
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        clients[sock.fileno()] = sock
        poll.register(sock, select.EPOLLIN)
