"""Clients that misbehave, one class for each way, to run beside a bystander.

Each is set up once its instance exists. Its `turn` is then called again and again, and
returns soon; `done` says how much trouble there was, that no row of the table is hollow.
"""

import selectors
import signal
import socket
import time
from multiprocessing.connection import Connection
from typing import ClassVar

from bench.servers import REPLY_WITHIN_S, connect

TURN_S = 0.05
ENDLESS_STREAM = b"STREAM %d\n" % 10**12
READ_SIZE = 1 << 20
PING = b"PING\n"
GIVE_UP_S = 120


class Trouble:
    """Connections that are merely held; the base of all others."""

    unit: ClassVar[str] = "held"
    clients: ClassVar[int] = 0
    request: ClassVar[bytes] = b""
    """What each client sends to begin with."""

    def __init__(self, port: int) -> None:
        """Connect to the server at the port."""
        self.work = 0
        self.sockets = [connect(port) for _ in range(self.clients)]
        for client in self.sockets:
            client.sendall(self.request)
            client.setblocking(False)

    def turn(self) -> None:
        """Make trouble for a moment."""
        time.sleep(TURN_S)

    def done(self) -> int:
        """Return how much trouble there was, in the class's unit but for its "/s"."""
        return sum(map(self.is_held, self.sockets))

    def is_held(self, client: socket.socket) -> bool:
        """Tell whether the server keeps a connection, and says nothing on it."""
        try:
            client.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False


class Nothing(Trouble):
    """The server is left alone with the bystander."""

    unit = ""


class Idle(Trouble):
    """5000 clients that were answered once, and do not ask again."""

    clients = 5000
    request = PING

    def __init__(self, port: int) -> None:
        """Connect, and wait for every reply: the connections are then known to be accepted."""
        super().__init__(port)
        for client in self.sockets:
            client.settimeout(REPLY_WITHIN_S)
            client.recv(len(PING))
            client.setblocking(False)


class Burns(Trouble):
    """Four clients that each ask for minutes of counting."""

    clients = 4
    request = b"BURN %d\n" % 10**11


class StalledReaders(Trouble):
    """100 STREAMs, larger than any buffer, that nobody reads."""

    clients = 100
    request = ENDLESS_STREAM

    def is_held(self, client: socket.socket) -> bool:
        """Tell whether the STREAM has begun."""
        try:
            return client.recv(1, socket.MSG_PEEK) == b"A"
        except OSError:
            return False


class Dribblers(Trouble):
    """300 clients that send a byte a second, each at a moment of its own."""

    unit = "bytes/s"
    clients = 300

    def __init__(self, port: int) -> None:
        """Connect; the first byte is due now."""
        super().__init__(port)
        self.due = time.monotonic()

    def turn(self) -> None:
        """Send the next client's next byte when it is due."""
        time.sleep(max(self.due - time.monotonic(), 0))
        cycle, index = divmod(self.work, self.clients)
        at = cycle % len(PING)
        self.work += self.sockets[index].send(PING[at : at + 1])
        self.due += 1 / self.clients

    def done(self) -> int:
        """Return the bytes sent."""
        return self.work


class Busy(Trouble):
    """Clients that read and write as the sockets allow."""

    events: ClassVar[int] = selectors.EVENT_READ

    def __init__(self, port: int) -> None:
        """Connect, and watch every socket."""
        super().__init__(port)
        self.buffer = bytearray(READ_SIZE)
        self.selector = selectors.DefaultSelector()
        for index, client in enumerate(self.sockets):
            self.selector.register(client, self.events, index)

    def turn(self) -> None:
        """Serve every socket that is ready once."""
        for key, events in self.selector.select(TURN_S):
            if events & selectors.EVENT_READ:
                self.readable(key.data)
            if events & selectors.EVENT_WRITE:
                self.writable(key.data)

    def read(self, index: int) -> int:
        """Read into the buffer, and return how much it was."""
        size = self.sockets[index].recv_into(self.buffer)
        if not size:
            raise ConnectionError("closed by the server")
        return size

    def read_replies(self, index: int) -> int:
        """Read, count the replies of a line each that ended in it, and return how many."""
        count = self.buffer.count(b"\n", 0, self.read(index))
        self.work += count
        return count

    def readable(self, index: int) -> None:
        """Read, and count what came."""
        self.work += self.read(index)

    def writable(self, index: int) -> None:
        """Send more on a socket that takes it."""

    def done(self) -> int:
        """Return what was counted."""
        return self.work


class FastReader(Busy):
    """One STREAM, read as fast as it comes."""

    unit = "bytes/s"
    clients = 1
    request = ENDLESS_STREAM


class Pipeliners(Busy):
    """Four clients that send PING without pause and read what comes back."""

    unit = "replies/s"
    clients = 4
    events = selectors.EVENT_READ | selectors.EVENT_WRITE
    batch = memoryview(PING * 13_107)  # nearly 64 KiB

    def __init__(self, port: int) -> None:
        """Connect; each client starts at the beginning of a line."""
        super().__init__(port)
        self.offsets = [0] * self.clients

    def readable(self, index: int) -> None:
        """Read, and count whole replies."""
        self.read_replies(index)

    def writable(self, index: int) -> None:
        """Send as much as the socket takes, going on where the last line was cut."""
        offset = self.offsets[index]
        sent = self.sockets[index].send(self.batch[offset:])
        self.offsets[index] = (offset + sent) % len(PING)


class PipelinedBurns(Busy):
    """Four clients with 256 short BURNs in flight each: a new one for every reply."""

    unit = "replies/s"
    clients = 4
    burn = b"BURN 1000\n"
    request = burn * 256

    def readable(self, index: int) -> None:
        """Ask anew for every reply that came; the sockets take the little that is in flight."""
        self.sockets[index].send(self.burn * self.read_replies(index))


class Waits(Busy):
    """1000 clients in a WAIT of 0.5 to 1.5 s, each asking anew when it ends.

    The ends are spread over time, as those of independent clients are.
    """

    unit = "ended/s"
    clients = 1000

    def __init__(self, port: int) -> None:
        """Connect, and ask for the first WAITs."""
        super().__init__(port)
        for index in range(self.clients):
            self.ask(index)

    def ask(self, index: int) -> None:
        """Have a client WAIT for a time of its own."""
        self.sockets[index].send(b"WAIT %.3f\n" % (0.5 + index / self.clients))

    def readable(self, index: int) -> None:
        """Count a WAIT that ended, and ask for the next."""
        self.read(index)
        self.work += 1
        self.ask(index)


def make_trouble(kind: type[Trouble], port: int, parent: Connection) -> None:
    """Be the troublemaker's process: say when ready, stop when told, say what was done.

    What fails is told to the parent as text, in place of either.
    """
    signal.alarm(GIVE_UP_S)  # whatever becomes of the parent, this ends
    try:
        trouble = kind(port)
        parent.send(None)
        start = time.monotonic()
        while not parent.poll():
            trouble.turn()
        seconds = time.monotonic() - start if kind.unit.endswith("/s") else 1
        parent.send(trouble.done() / seconds)
    except OSError as error:
        parent.send(f"{kind.__name__}: {error}")
