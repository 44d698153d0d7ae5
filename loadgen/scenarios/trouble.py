"""Kinds of trouble: what the clients of a crowd do, and how it is known that they did.

Each client first gets an answer: then the server is known to have taken it in, and not only
its kernel. What it asks for next is what the trouble is.
"""

from time import monotonic
from typing import ClassVar, Final

from .crowd import READ, WRITE, Troublemaker

#: Longer than any scenario lasts, and allowed by the defaults of the protocol.
_ENDLESS: Final = 10**12
_PING: Final = b"PING\n"
_PONG: Final = b"PONG\n"


class Trouble:
    """Clients that send ``request``, and leave it at that.

    :cvar proof: what a client gets that the server has taken in.
    :cvar quiet: whether nothing may come after the proof.
    """

    receive_buffer: int = 0
    request: ClassVar[bytes] = b""
    proof: ClassVar[bytes] = _PONG
    quiet: ClassVar[bool] = True

    def __init__(self) -> None:
        self.replies = 0

    def begin(self, client: Troublemaker) -> None:
        """Send the request."""
        client.at += client.send(self.request)

    def readable(self, client: Troublemaker) -> None:
        """Count what came."""
        self.replies += client.crowd.buffer.count(b"\n", 0, client.read())

    def writable(self, client: Troublemaker) -> None:
        """Nobody asks for that."""

    def tick(self, clients: list[Troublemaker], now: float) -> float:  # noqa: ARG002
        """Do what is due; return when to be called next, on the monotonic clock."""
        return now + 0.1

    def is_served(self, client: Troublemaker) -> bool:
        """Whether the server has taken the client in, and does what it asked for."""
        if self.quiet and client.received > len(self.proof):
            return False
        return client.head.startswith(self.proof)


class Idle(Trouble):
    """They PING once, and then say nothing."""

    request = _PING


class LongWait(Trouble):
    """They WAIT for an hour."""

    request = b"PING\nWAIT 3600\n"


class BigBurn(Trouble):
    """They have the server count to 10^11, which is hours of work."""

    request = b"PING\nBURN %d\n" % 10**11


class SlowReader(Trouble):
    """They ask for a STREAM without end, and do not read it."""

    receive_buffer = 4096
    request = b"STREAM %d\n" % _ENDLESS
    proof = b"A"
    quiet = False

    def readable(self, client: Troublemaker) -> None:
        """See that there is something to read, and look never again."""
        client.watch(0)
        client.peek()


class FastReader(Trouble):
    """They ask for a STREAM without end, and read it as fast as it comes."""

    request = b"STREAM %d\n" % _ENDLESS
    proof = b"A"
    quiet = False

    def readable(self, client: Troublemaker) -> None:
        """Read on."""
        client.read()


class Flood(Trouble):
    """They PING without a pause, and read what comes back."""

    quiet = False
    #: Nearly 64 KiB of whole lines.
    batch: ClassVar[memoryview] = memoryview(_PING * 13_107)

    def begin(self, client: Troublemaker) -> None:
        """Send whenever there is room."""
        client.watch(READ | WRITE)

    def writable(self, client: Troublemaker) -> None:
        """Send what there is room for, from where the last line was cut."""
        client.at = (client.at + client.send(self.batch[client.at :])) % len(_PING)


class SlowSender(Trouble):
    """They send a byte of a PING each tenth of a second, each at a moment of its own."""

    quiet = False
    #: Seconds between two bytes of a client.
    pause: ClassVar[float] = 0.1

    def __init__(self) -> None:
        super().__init__()
        self._due = monotonic()
        self._next = 0  # whose turn it is

    def begin(self, client: Troublemaker) -> None:
        """Wait for its turn."""

    def tick(self, clients: list[Troublemaker], now: float) -> float:
        """Send one byte for each whose turn has come."""
        while clients and self._due <= now:
            client = clients[self._next % len(clients)]
            self._next += 1
            self._due += self.pause / len(clients)
            if client.sock.fileno() >= 0:
                at = client.at % len(_PING)
                client.at += client.send(_PING[at : at + 1])
        if not clients:
            self._due = now + self.pause
        return self._due
