"""One thread, level-triggered epoll, and an object that remembers where each client is.

         clients            the kernel            the loop
    ┌─ asks ──────────┐   ┌──────────────┐
    ├─ is silent ─────┤   │    epoll     │   ready    ┌─────────────┐
    ├─ takes no reply ┼──▶│ who is ready │──────────▶ │ one step of │──▶ next
    ├─ asks ──────────┤   │    for us?   │            │ that client │
    └─ is silent ─────┘   └──────────────┘            └─────────────┘
      all of them wait for the loop; the loop waits for any one of them

The model. A socket that would block is put down, not waited for. What is to be done for a
client next stands in its object (`Client.phase` and `action`); the kernel keeps the list of
sockets, and hands out those that are ready. WAIT is an entry in a heap of instants, and the
first of them is how long epoll waits. CPU work goes in slices, one per turn of the loop.

Good at: ten thousand clients on one core, each for about a kilobyte; the price of a turn is
that of who is ready, not of who is there.

Breaks: at the first step that does not return. Whatever blocks or computes in one piece
holds up everybody. And it uses one core, whatever there is.
"""

import select
from typing import Final

from .common.agenda import Agenda
from .common.floor import Floor
from .common.host import Host
from .common.model import Model
from .common.waiting import Phase, Waiter

#: What a client in this phase waits for. Of errors, and so of resets, epoll always tells.
EVENTS: Final = {
    Phase.LISTENING: select.EPOLLIN,
    Phase.LINGERING: select.EPOLLIN,
    Phase.STALLED: select.EPOLLOUT,
    Phase.WORKING: 0,
}
#: Descriptors looked at in one turn of the loop, before sleepers and queue have theirs.
BATCH: Final = 128


class Epoll:
    """The loop."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.epoll = select.epoll()
        self.waiters: dict[int, Waiter] = {}
        self.agenda = Agenda(self.resume)
        Floor(host, self.agenda, self.watch).open()

    def run(self) -> None:
        """Serve until there is nobody left."""
        waiters = self.waiters
        while not self.host.over:
            for fd, _ in self.epoll.poll(self.agenda.timeout(), BATCH):
                waiter = waiters.get(fd)
                if waiter is not None:  # else closed in this very turn
                    before = waiter.phase
                    after = waiter.ready()
                    if after is not before:
                        self.move(waiter, before, after)
            self.agenda.run_due()
        self.epoll.close()

    def resume(self, waiter: Waiter) -> None:
        """It has waited long enough: take its next step."""
        before = waiter.phase
        self.move(waiter, before, waiter.resume())

    def watch(self, waiter: Waiter) -> None:
        """Wait for one more descriptor."""
        self.epoll.register(waiter.fd, EVENTS[waiter.phase])
        self.waiters[waiter.fd] = waiter

    def move(self, waiter: Waiter, before: Phase, after: Phase) -> None:
        """Wait for what the client waits for in its new phase, or forget it, if it has left."""
        if after is Phase.CLOSED:
            self.epoll.unregister(waiter.fd)  # before it is closed: descriptors come back
            del self.waiters[waiter.fd]
            waiter.close()
        elif EVENTS[after] != EVENTS[before]:
            self.epoll.modify(waiter.fd, EVENTS[after])


MODEL = Model("epoll", Epoll, "one thread, level-triggered epoll, state per connection", __doc__)

if __name__ == "__main__":
    MODEL.main()
