"""The reactor: events are demultiplexed, dispatched, and handled by whoever registered.

    handles            demultiplexer        dispatcher            handlers
    ┌ listener ┐       ┌───────────┐       ┌────────────┐   ┌─▶ listener: accepts
    ├ client 1 ┼─────▶ │ which are │ ────▶ │ whose are  │ ──┼─▶ client 1: ready()
    ├ client 2 ┤       │  ready?   │       │ they?      │   └─▶ client 2: ready()
    └ …        ┘       └───────────┘       └────────────┘          │
                             ▲── register, change, remove ─────────┘

The model. That of `epoll`, taken apart (Schmidt, "Reactor", 1995). The demultiplexer alone
knows how to wait. The dispatcher knows who is to be called, and not what for. A handler
knows what it wants to be told and what to do then, and not when. Control is inverted: there
is no loop in the handlers, the dispatcher calls them.

Good at: being extended. A new kind of event source is a new handler and nothing else;
select instead of epoll is another demultiplexer. Twisted and libevent are made like this.

Breaks: like `epoll`, at the first handler that does not return. And the order in which
things happen to one client can be read nowhere: it is what the handlers do to each other.

``--workers N`` runs a reactor in each of N processes, see `epoll_workers`.
"""

import select

from .common.connections import Connections
from .common.host import Host
from .common.model import Model, Runnable
from .common.pool import workers_option
from .common.schedule import Schedule
from .common.state import EventHandler, State
from .epoll import BATCH
from .epoll import EVENTS as INTEREST
from .epoll_workers import EpollWorkers


class Demultiplexer:
    """Waits for events on many handles at once: all that knows of epoll."""

    def __init__(self) -> None:
        epoll = select.epoll()
        self.register, self.change, self.remove = epoll.register, epoll.modify, epoll.unregister
        self.wait = epoll.poll


class Dispatcher:
    """Calls the handlers of the events that the demultiplexer has seen."""

    def __init__(self) -> None:
        self.demultiplexer = Demultiplexer()
        self.handlers: dict[int, EventHandler] = {}

    def register_handler(self, handler: EventHandler) -> None:
        """Tell ``handler`` of events from now on."""
        self.demultiplexer.register(handler.fd, INTEREST[handler.state])
        self.handlers[handler.fd] = handler

    def remove_handler(self, handler: EventHandler) -> None:
        """Tell it of nothing more; its handle is closed only after that."""
        self.demultiplexer.remove(handler.fd)
        del self.handlers[handler.fd]
        handler.close()

    def handle_events(self, timeout: float) -> None:
        """Wait for events, so many seconds at the most, and have them handled."""
        for handle, _ in self.demultiplexer.wait(timeout, BATCH):
            handler = self.handlers.get(handle)
            if handler is not None:  # else removed in this very turn
                before = handler.state
                self.follow(handler, before, handler.ready())

    def handle_timeout(self, handler: EventHandler) -> None:
        """The time of a handler has come, or its turn."""
        before = handler.state
        self.follow(handler, before, handler.resume())

    def follow(self, handler: EventHandler, before: State, after: State) -> None:
        """Take note of what a handler wants to be told of from now on."""
        if after is before:
            return
        if after is State.CLOSED:
            self.remove_handler(handler)
        elif INTEREST[after] != INTEREST[before]:
            self.demultiplexer.change(handler.fd, INTEREST[after])


class Reactor:
    """A dispatcher and what is registered with it to begin with."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.dispatcher = Dispatcher()
        self.schedule = Schedule(self.dispatcher.handle_timeout)
        Connections(host, self.schedule, self.dispatcher.register_handler).open()

    def run(self) -> None:
        """Dispatch until there is nobody left."""
        while not self.host.over:
            self.dispatcher.handle_events(self.schedule.timeout())
            self.schedule.run_due()


def make(host: Host, workers: int | None) -> Runnable:
    """One reactor, or one in each worker."""
    return EpollWorkers(host, workers, make_loop=Reactor) if workers else Reactor(host)


MODEL = Model(
    "reactor",
    make,
    "event demultiplexer, dispatcher, registered handlers",
    __doc__,
    options=(workers_option("none, one reactor does it all"),),
)

if __name__ == "__main__":
    MODEL.main()
