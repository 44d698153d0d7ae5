"""The reactor: events are demultiplexed, dispatched, and handled by whoever registered.

    handles            demultiplexer        dispatcher            handlers
    ┌ listener ┐       ┌───────────┐       ┌────────────┐   ┌─▶ a door: accepts
    ├ client 1 ┼─────▶ │ which are │ ────▶ │ whose are  │ ──┼─▶ client 1: handle_event()
    ├ client 2 ┤       │  ready?   │       │ they?      │   └─▶ client 2: handle_event()
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
from typing import Final, Protocol

from .common.agenda import Agenda
from .common.floor import Floor
from .common.host import Host
from .common.model import Model, Runnable
from .common.waiting import Phase, Waiter
from .epoll_workers import EpollWorkers, workers_option

#: Events dispatched in one turn, before timeouts have theirs.
BATCH: Final = 128

READ, WRITE, ERRORS = select.EPOLLIN, select.EPOLLOUT, 0

#: What a client in this phase wants to be told of.
INTEREST: Final = {
    Phase.LISTENING: READ,
    Phase.LINGERING: READ,
    Phase.STALLED: WRITE,
    Phase.WORKING: ERRORS,
}


class EventHandler(Protocol):
    """What can be registered with a `Dispatcher`."""

    handle: int
    interest: int

    def handle_event(self) -> None:
        """What it is interested in has happened to its handle, or an error."""

    def handle_timeout(self) -> None:
        """The time has come that it has asked for, or its turn."""


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
        self.demultiplexer.register(handler.handle, handler.interest)
        self.handlers[handler.handle] = handler

    def change_interest(self, handler: EventHandler) -> None:
        """Tell it of other events."""
        self.demultiplexer.change(handler.handle, handler.interest)

    def remove_handler(self, handler: EventHandler) -> None:
        """Tell it of nothing more; its handle is closed only after that."""
        self.demultiplexer.remove(handler.handle)
        del self.handlers[handler.handle]

    def handle_events(self, timeout: float) -> None:
        """Wait for events, so many seconds at the most, and have them handled."""
        handlers = self.handlers
        for handle, _ in self.demultiplexer.wait(timeout, BATCH):
            handler = handlers.get(handle)
            if handler is not None:  # else removed in this very turn
                handler.handle_event()


class WaiterHandler:
    """A concrete handler: for a client, a listening socket, whatever waits."""

    __slots__ = ("dispatcher", "handle", "interest", "phase", "waiter")

    def __init__(self, waiter: Waiter, dispatcher: Dispatcher) -> None:
        self.waiter = waiter
        self.dispatcher = dispatcher
        self.handle = waiter.fd
        self.phase = waiter.phase
        self.interest = INTEREST[self.phase]
        dispatcher.register_handler(self)

    def handle_event(self) -> None:
        """Take the next step."""
        phase = self.waiter.ready()
        if phase is not self.phase:
            self.follow(phase)

    def handle_timeout(self) -> None:
        """Take the next step."""
        self.follow(self.waiter.resume())

    def follow(self, phase: Phase) -> None:
        """Register for what is wanted now, or for nothing any more."""
        self.phase = phase
        if phase is Phase.CLOSED:
            self.dispatcher.remove_handler(self)
            self.waiter.close()
        elif INTEREST[phase] != self.interest:
            self.interest = INTEREST[phase]
            self.dispatcher.change_interest(self)


class Reactor:
    """A dispatcher and what is registered with it to begin with."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.dispatcher = Dispatcher()
        self.agenda = Agenda(self.time_out)
        Floor(host, self.agenda, self.watch).open()

    def run(self) -> None:
        """Dispatch until there is nobody left."""
        while not self.host.over:
            self.dispatcher.handle_events(self.agenda.timeout())
            self.agenda.run_due()

    def watch(self, waiter: Waiter) -> None:
        """Have a new waiter handled."""
        WaiterHandler(waiter, self.dispatcher)

    def time_out(self, waiter: Waiter) -> None:
        """The time of a waiter has come, or its turn."""
        handler = self.dispatcher.handlers.get(waiter.fd)
        if handler is None:  # it has no handle, only its time
            waiter.resume()
        else:
            handler.handle_timeout()


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
