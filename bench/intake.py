"""How soon 10,000 clients are taken in: from the first connect until each has had its PONG.

The clients are one process on a CPU of its own. They connect as fast as it can, but never
more of them wait for their PONG than the server's listen queue holds: a SYN that is dropped
is sent again after a second, and that would measure the kernel's patience. Like the load
in C it polls and never sleeps.
"""

import select
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from bench.machine import BenchError
from bench.servers import HOST, REPLY_WITHIN_S, Server

CLIENTS: Final = 10_000
AT_A_TIME: Final = 2_000
"""Half of a listen queue of 4,096, which is also the kernel's limit (somaxconn)."""
BETWEEN_LOOKS: Final = 50
"""Clients that connect before those that are ready have their turn."""
SOURCES: Final = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
"""Local addresses in turn: where the ports of one do not suffice, those of four do."""
BIND_ADDRESS_NO_PORT: Final = 24
"""From ip(7): the port is chosen when the other end is known, so it need be free only there."""
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""A struct linger, on for 0 s, see socket(7): no port is kept from the next round by TIME_WAIT."""
PING, PONG = b"PING\n", b"PONG\n"


@dataclass(frozen=True, slots=True)
class Intake:
    """What one server did in one round."""

    seconds: float
    """From the first connect to the last PONG."""
    cpu_us: float
    """CPU microseconds of the server for each client."""


class Crowd:
    """Clients that connect, send PING and stay; gone after the block.

    :param address: of the server.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.clients: dict[int, socket.socket] = {}
        self.answered = 0
        self.poll = select.epoll()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.poll.close()
        for client in self.clients.values():
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            client.close()

    @property
    def waiting(self) -> int:
        """How many have begun to connect, and have no PONG."""
        return len(self.clients) - self.answered

    def connect(self) -> None:
        """Have one more client begin; raises OSError where it cannot."""
        client = socket.socket()
        self.clients[client.fileno()] = client
        client.setblocking(False)
        with suppress(OSError):
            client.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
        client.bind((SOURCES[len(self.clients) % len(SOURCES)], 0))
        client.connect_ex(self.address)
        self.poll.register(client, select.EPOLLOUT)

    def look(self) -> None:
        """Let those go on who can; raises OSError, BenchError where one is not taken in."""
        for fd, events in self.poll.poll(0):
            if events == select.EPOLLOUT:
                self.clients[fd].send(PING)
                self.poll.modify(fd, select.EPOLLIN)
            elif (reply := self.clients[fd].recv(64)) == PONG:
                self.answered += 1
            else:
                raise BenchError(f"a client was answered with {reply!r}")


def take_in(server: Server) -> Intake:
    """Have all clients come. Raises BenchError, OSError where one of them is not taken in."""
    used_s = server.cpu_s()
    seconds = gather(server.port, CLIENTS, REPLY_WITHIN_S)
    return Intake(seconds, (server.cpu_s() - used_s) * 1e6 / CLIENTS)


def gather(port: int, count: int, within_s: float) -> float:
    """Have so many clients come; return how many seconds it took until all had their PONG.

    Raises BenchError where that takes too long.
    """
    with Crowd((HOST, port)) as crowd:
        start = time.perf_counter()
        while crowd.answered < count:
            if time.perf_counter() > start + within_s:
                raise BenchError(f"{crowd.answered} of {count} were answered in {within_s:.0f} s")
            room = min(count - len(crowd.clients), AT_A_TIME - crowd.waiting, BETWEEN_LOOKS)
            for _ in range(room):
                crowd.connect()
            crowd.look()
        return time.perf_counter() - start
