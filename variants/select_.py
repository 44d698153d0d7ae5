"""One thread and ``select()``: three lists of descriptors, handed over anew at every call.

    the loop ── "any of these 900?" ──▶ kernel: looks at all 900
             ◀── "these 2" ──────────          (and again, next time)

The model. That of `epoll`, with the call that came before it. There is no list in the
kernel: each call brings all descriptors along, and the kernel looks at each of them.

Good at: running anywhere; a few dozen descriptors.

Breaks: at FD_SETSIZE. The call's sets are bitmaps of 1024 bits, and a descriptor of a
higher number has no place in them. This server says so and refuses whoever does not fit
in; many others crash. Before that it is slow: a turn costs as much as there are clients, not as
much as there are ready. And nobody can be watched for errors alone: a client that is busy
and resets is noticed only when somebody looks, here twice a second.
"""

import select
import socket
from typing import Final

from dumb_async.hosting import NoRoom

from .common.connections import Connections
from .common.host import Host
from .common.model import Model
from .common.schedule import PeriodicTask, Schedule
from .common.state import EventHandler, State

#: Descriptors from this number up have no bit in an fd_set, see select(2).
FD_SETSIZE: Final = 1024
#: Numbers below it that are kept for what is no client: listeners, logs, scrapers, refusals.
RESERVED: Final = 100
#: Seconds between two looks at those who are busy.
LOOK_INTERVAL: Final = 0.5

#: Why a client is refused that select() cannot watch.
TOO_MANY: Final = "fd_setsize"

READS: Final = (State.READING, State.LINGERING)


class Select:
    """The loop."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.handlers: dict[int, EventHandler] = {}
        self.readers: set[int] = set()
        self.writers: set[int] = set()
        self.schedule = Schedule(self.resume)
        host.limit_clients(FD_SETSIZE - RESERVED, TOO_MANY)
        Connections(host, self.schedule, self.register).open()
        ErrorCheck(self)

    def run(self) -> None:
        """Serve until there is nobody left."""
        while not self.host.over:
            timeout = self.schedule.timeout()
            readable, writable, _ = select.select(self.readers, self.writers, (), timeout)
            for fd in (*readable, *writable):
                if fd in self.handlers:  # else closed in this very turn
                    self.move(self.handlers[fd], self.handlers[fd].ready())
            self.schedule.run_due()

    def resume(self, handler: EventHandler) -> None:
        """It has waited long enough: take its next step."""
        self.move(handler, handler.resume())

    def register(self, handler: EventHandler) -> None:
        """Wait for one more descriptor."""
        if handler.fd >= FD_SETSIZE:
            raise NoRoom(TOO_MANY)
        self.handlers[handler.fd] = handler
        self.move(handler, handler.state)

    def move(self, handler: EventHandler, state: State) -> None:
        """Put its descriptor into the set where it belongs now, or forget it."""
        (self.readers.add if state in READS else self.readers.discard)(handler.fd)
        (self.writers.add if state is State.WRITING else self.writers.discard)(handler.fd)
        if state is State.CLOSED:
            del self.handlers[handler.fd]
            handler.close()


class ErrorCheck(PeriodicTask):
    """Looks after clients that are busy: select() cannot be asked about errors alone."""

    def __init__(self, loop: Select) -> None:
        super().__init__()
        self.loop = loop
        loop.schedule.sleep(self, LOOK_INTERVAL)

    def resume(self) -> State:
        """Let those go on who are lost, as if the kernel had said so."""
        for client in [session.stream for session in self.loop.host.sessions]:
            if client.state is State.BUSY and (
                client.cancelled or client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            ):
                self.loop.move(client, client.ready())
        self.loop.schedule.sleep(self, LOOK_INTERVAL)
        return self.state


MODEL = Model("select", Select, "one thread, select(): 1,024 descriptors and no more", __doc__)

if __name__ == "__main__":
    MODEL.main()
