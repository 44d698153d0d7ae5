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

from .common.agenda import Agenda, Chore
from .common.floor import Floor
from .common.host import Host
from .common.model import Model
from .common.waiting import Phase, Waiter

#: Descriptors from this number up have no bit in an fd_set, see select(2).
FD_SETSIZE: Final = 1024
#: Numbers below it that are kept for what is no client: listeners, logs, scrapers, refusals.
RESERVED: Final = 100
#: Seconds between two looks at those who are busy.
LOOK_INTERVAL: Final = 0.5

#: Why a client is refused that select() cannot watch.
TOO_MANY: Final = "fd_setsize"

READS: Final = (Phase.LISTENING, Phase.LINGERING)


class Select:
    """The loop."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.waiters: dict[int, Waiter] = {}
        self.readers: set[int] = set()
        self.writers: set[int] = set()
        self.agenda = Agenda(self.resume)
        host.limit_clients(FD_SETSIZE - RESERVED, TOO_MANY)
        Floor(host, self.agenda, self.watch).open()
        Watchman(self)

    def run(self) -> None:
        """Serve until there is nobody left."""
        while not self.host.over:
            timeout = self.agenda.timeout()
            readable, writable, _ = select.select(self.readers, self.writers, (), timeout)
            for fd in (*readable, *writable):
                if fd in self.waiters:  # else closed in this very turn
                    self.move(self.waiters[fd], self.waiters[fd].ready())
            self.agenda.run_due()

    def resume(self, waiter: Waiter) -> None:
        """It has waited long enough: take its next step."""
        self.move(waiter, waiter.resume())

    def watch(self, waiter: Waiter) -> None:
        """Wait for one more descriptor."""
        if waiter.fd >= FD_SETSIZE:
            raise NoRoom(TOO_MANY)
        self.waiters[waiter.fd] = waiter
        self.move(waiter, waiter.phase)

    def move(self, waiter: Waiter, phase: Phase) -> None:
        """Put its descriptor into the set where it belongs now, or forget it."""
        (self.readers.add if phase in READS else self.readers.discard)(waiter.fd)
        (self.writers.add if phase is Phase.STALLED else self.writers.discard)(waiter.fd)
        if phase is Phase.CLOSED:
            del self.waiters[waiter.fd]
            waiter.close()


class Watchman(Chore):
    """Looks after clients that are busy: select() cannot be asked about errors alone."""

    def __init__(self, loop: Select) -> None:
        super().__init__()
        self.loop = loop
        loop.agenda.sleep(self, LOOK_INTERVAL)

    def resume(self) -> Phase:
        """Let those go on who are lost, or were given up, as if the kernel had said so."""
        for client in list(self.loop.host.clients):
            if client.phase is Phase.WORKING and (
                client.given_up or client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            ):
                self.loop.move(client, client.ready())
        self.loop.agenda.sleep(self, LOOK_INTERVAL)
        return self.phase


MODEL = Model("select", Select, "one thread, select(): 1,024 descriptors and no more", __doc__)

if __name__ == "__main__":
    MODEL.main()
