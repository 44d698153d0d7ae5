"""A closed loop of BURNs from a client that sleeps while it waits.

The load program polls, and would take one of the two CPUs that the servers of several
workers are to have for themselves. A BURN takes the server so much longer than the client
that waking it up counts for little: it takes some hundredths of a CPU.
"""

import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from bench.machine import BenchError
from bench.servers import REPLY_WITHIN_S, connect

READ_SIZE = 4096


def burn_reply(iterations: int) -> bytes:
    """Return the reply to a BURN, which need not be counted out to be known."""
    return b"RESULT %d\n" % (iterations * (iterations + 1) // 2)


class Burners:
    """Connections with one BURN in flight each, from the beginning on.

    :param sockets: connected to the server; they do not block from now on.
    """

    def __init__(self, sockets: Sequence[socket.socket], iterations: int) -> None:
        self.request = b"BURN %d\n" % iterations
        self.reply = burn_reply(iterations)
        self.sockets = {client.fileno(): client for client in sockets}
        self.received = dict.fromkeys(self.sockets, b"")
        self.poll = select.epoll()
        for fd, client in self.sockets.items():
            client.setblocking(False)
            self.poll.register(fd, select.EPOLLIN)
            client.send(self.request)

    def drive(self, seconds: float) -> tuple[int, float]:
        """Ask again whenever a reply is in; return how many came, and the seconds it took.

        Raises BenchError for a reply that is wrong, a lost connection, and where all are
        silent for long.
        """
        count, start = 0, time.perf_counter()
        now, heard = start, start
        while (left := start + seconds - now) > 0:
            ready = self.poll.poll(left)
            count += sum(self.receive(fd) for fd, _ in ready)
            now = time.perf_counter()
            heard = now if ready else heard
            if now - heard > REPLY_WITHIN_S:
                raise BenchError(f"no BURN was answered for {REPLY_WITHIN_S:.0f} s")
        return count, now - start

    def receive(self, fd: int) -> bool:
        """Take in what has come; ask again if the reply is whole, and tell whether it was."""
        data = b""
        with suppress(ConnectionError):  # a reset is the end as well
            data = self.sockets[fd].recv(READ_SIZE)
        so_far = self.received[fd] + data
        if not data or not self.reply.startswith(so_far):
            shown = repr(so_far[:40].decode(errors="replace")) if data else "the end"
            raise BenchError(f"{self.request.decode().strip()} was answered with {shown}")
        whole = so_far == self.reply
        self.received[fd] = b"" if whole else so_far
        if whole:
            self.sockets[fd].send(self.request)
        return whole

    def close(self) -> None:
        """Watch them no more; the sockets belong to who opened them."""
        self.poll.close()


@contextmanager
def burners(port: int, connections: int, iterations: int) -> Iterator[Burners]:
    """Connect to a server and send the first BURNs; the connections are gone after the block."""
    with ExitStack() as held:
        sockets = [held.enter_context(connect(port)) for _ in range(connections)]
        clients = Burners(sockets, iterations)
        held.callback(clients.close)
        yield clients
