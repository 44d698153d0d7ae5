"""One thread, level-triggered epoll, and an object that remembers where each client is.

         clients            the kernel            the loop
    ┌─ asks ──────────┐   ┌──────────────┐
    ├─ is silent ─────┤   │    epoll     │   ready    ┌─────────────┐
    ├─ takes no reply ┼──▶│ who is ready │──────────▶ │ one step of │──▶ next
    ├─ asks ──────────┤   │    for us?   │            │ that client │
    └─ is silent ─────┘   └──────────────┘            └─────────────┘
      all of them wait for the loop; the loop waits for any one of them

The model. A socket that would block is put down, not waited for. What is to be done for a
client next stands in its object (`Client.state` and `action`); the kernel keeps the list of
sockets, and hands out those that are ready. WAIT is an entry in a heap of instants, and the
first of them is how long epoll waits. CPU work goes in slices, one per turn of the loop.

Good at: ten thousand clients on one core, each for about a kilobyte; the price of a turn is
that of who is ready, not of who is there.

Breaks: at the first step that does not return. Whatever blocks or computes in one piece
holds up everybody. And it uses one core, whatever there is.
"""

import select
from typing import Final

from .common.connections import Connections
from .common.host import Host
from .common.model import Model
from .common.schedule import Schedule
from .common.state import EventHandler, State

#: What a client in this state waits for. Of errors, and so of resets, epoll always tells.
EVENTS: Final = {
    State.READING: select.EPOLLIN,
    State.LINGERING: select.EPOLLIN,
    State.WRITING: select.EPOLLOUT,
    State.BUSY: 0,
}
#: Descriptors looked at in one turn of the loop, before timers and queue have theirs.
BATCH: Final = 128


class Epoll:
    """The loop."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.epoll = select.epoll()
        self.handlers: dict[int, EventHandler] = {}
        self.schedule = Schedule(self.resume)
        Connections(host, self.schedule, self.register).open()

    def run(self) -> None:
        """Serve until there is nobody left."""
        while not self.host.over:
            self.turn(self.schedule.timeout())
        self.epoll.close()

    def turn(self, timeout: float) -> None:
        """Wait until somebody is ready, so long at the most; take a step of all who are."""
        handlers = self.handlers
        for fd, _ in self.epoll.poll(timeout, BATCH):
            handler = handlers.get(fd)
            if handler is not None:  # else closed in this very turn
                before = handler.state
                after = handler.ready()
                if after is not before:
                    self.move(handler, before, after)
        self.schedule.run_due()

    def resume(self, handler: EventHandler) -> None:
        """It has waited long enough: take its next step."""
        before = handler.state
        self.move(handler, before, handler.resume())

    def register(self, handler: EventHandler) -> None:
        """Wait for one more descriptor."""
        self.epoll.register(handler.fd, EVENTS[handler.state])
        self.handlers[handler.fd] = handler

    def move(self, handler: EventHandler, before: State, after: State) -> None:
        """Wait for what the client waits for in its new state, or forget it, if it has left."""
        if after is State.CLOSED:
            self.epoll.unregister(handler.fd)  # before it is closed: descriptors come back
            del self.handlers[handler.fd]
            handler.close()
        elif EVENTS[after] != EVENTS[before]:
            self.epoll.modify(handler.fd, EVENTS[after])


MODEL = Model("epoll", Epoll, "one thread, level-triggered epoll, state per connection", __doc__)

if __name__ == "__main__":
    MODEL.main()
