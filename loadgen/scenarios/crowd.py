"""A crowd: clients on plain sockets, which a kind of trouble tells what to do.

They are no clients of the engine: that one plays by the rules, and these do not.
"""

import contextlib
import errno
import os
import selectors
import socket
import struct
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Protocol

#: Connections being made at a time, see `engine.dialer`.
AT_A_TIME: Final = 64
#: Bytes read at a time, of which nothing is kept but the first.
_READ: Final = 1 << 18
#: Bytes kept of what a client gets: enough to tell whether it is served.
_KEPT: Final = 64
#: The state of a connection that neither side has ended (tcp_info in tcp(7)).
_ESTABLISHED: Final = 1

READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE


class Behaviour(Protocol):
    """What a crowd asks: what its clients are to do."""

    #: Bytes the kernel may keep for a client that does not read; 0: as it sees fit.
    receive_buffer: int

    def begin(self, client: "Troublemaker") -> None:
        """It has a connection."""

    def readable(self, client: "Troublemaker") -> None:
        """Something came for it."""

    def writable(self, client: "Troublemaker") -> None:
        """It can send, and had asked to be told."""


class Troublemaker:
    """One client of a crowd."""

    __slots__ = ("at", "crowd", "head", "received", "sock")

    def __init__(self, crowd: "Crowd", sock: socket.socket) -> None:
        self.crowd = crowd
        self.sock = sock
        self.at = 0  # bytes of what it says, as its behaviour counts them
        self.head = b""  # the first that came in
        self.received = 0

    def send(self, data: bytes | memoryview) -> int:
        """Send what the kernel takes of ``data``; return how much that was."""
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.crowd.lose(self)
            return 0
        self.crowd.sent += sent
        return sent

    def read(self) -> int:
        """Read once, into the buffer of the crowd; return how much that was."""
        buffer = self.crowd.buffer
        try:
            size = self.sock.recv_into(buffer)
        except BlockingIOError:
            return 0
        except OSError:
            size = 0
        if not size:
            self.crowd.lose(self)
        self.received += size
        self.crowd.received += size
        if len(self.head) < _KEPT:
            self.head += buffer[: min(size, _KEPT - len(self.head))]
        return size

    def peek(self) -> None:
        """Look at the first byte that came, and leave it where it is."""
        try:
            self.head = self.sock.recv(1, socket.MSG_PEEK)
        except OSError:
            self.crowd.lose(self)

    def watch(self, events: int) -> None:
        """Be told of these events alone; 0: of none."""
        with contextlib.suppress(KeyError, ValueError):
            self.crowd.selector.unregister(self.sock)
        if events:
            self.crowd.selector.register(self.sock, events, self)

    @property
    def established(self) -> bool:
        """Whether neither side has ended the connection."""
        try:
            state = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        except OSError:
            return False
        return state[0] == _ESTABLISHED


class Crowd:
    """Clients that connect, and do as their behaviour says.

    :param address: of the server: family, and what `socket.connect` takes.
    """

    def __init__(self, address: tuple[Any, Any], size: int, behaviour: Behaviour) -> None:
        self.selector = selectors.DefaultSelector()
        self.buffer = bytearray(_READ)
        self.clients: list[Troublemaker] = []
        self.sent = 0
        self.received = 0
        self.error: OSError | None = None  # the last one on connecting
        self._family, self._address = address
        self._left = size  # to be connected
        self._connecting: dict[socket.socket, Troublemaker] = {}
        self._behaviour = behaviour

    def turn(self, until: float) -> None:
        """Do what there is to do; wait for it until this instant of the monotonic clock."""
        self._connect()
        for key, events in self.selector.select(max(until - monotonic(), 0.0)):
            client: Troublemaker = key.data
            if client.sock in self._connecting:
                number = client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                self._connected(client, number)
                continue
            if events & READ:
                self._behaviour.readable(client)
            if events & WRITE and client.sock.fileno() >= 0:
                self._behaviour.writable(client)

    def count(self, wanted: Callable[[Troublemaker], bool]) -> int:
        """How many of its clients are as wanted."""
        return sum(map(wanted, self.clients))

    def lose(self, client: Troublemaker) -> None:
        """Let go of a connection that is no more."""
        client.watch(0)
        client.sock.close()

    def close(self) -> None:
        """Reset all connections: a server that has work for them is told that it has none."""
        for client in (*self.clients, *self._connecting.values()):
            if client.sock.fileno() >= 0:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sock.close()
        self.selector.close()

    def _connect(self) -> None:
        """Begin to connect as many as may be at it at a time."""
        while self._left and len(self._connecting) < AT_A_TIME:
            self._left -= 1
            try:
                sock = self._socket()
            except OSError as error:  # no descriptor is left for any
                self.error, self._left = error, 0
                return
            client = self._connecting[sock] = Troublemaker(self, sock)
            number = sock.connect_ex(self._address)
            if number in {0, errno.EINPROGRESS}:
                client.watch(WRITE)
            else:
                self._connected(client, number)

    def _socket(self) -> socket.socket:
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._behaviour.receive_buffer:  # before connecting: it decides on the window
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._behaviour.receive_buffer)
        return sock

    def _connected(self, client: Troublemaker, number: int) -> None:
        """It has a connection, or will have none for the reason of this number."""
        del self._connecting[client.sock]
        if number:
            self.error = OSError(number, os.strerror(number))
            self.lose(client)
            return
        self.clients.append(client)
        client.watch(READ)
        self._behaviour.begin(client)
