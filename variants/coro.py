"""Coroutines by hand: generators on epoll. What asyncio is made of, in a page.

    talk(client 1): … send, sleep, send …  ── yield 0.5 ────────▶ ┌───────────┐
    talk(client 2): … read ─────────────── ── yield LISTENING ──▶ │ scheduler │ ◀── epoll
    talk(client 3): … compute ──────────── ── yield TURN ───────▶ └───────────┘ ◀── clock
                                           ◀── send(None): go on ─────┘

The model. `epoll` again, but the state of a client is not spelled out in an object: it is
where its coroutine stands. Code reads as that of a thread does, from top to bottom. To wait
is to ``yield`` what for; the scheduler goes on with somebody else and comes back when it is
time. An event loop is no more than this: a table of who waits for what, and a clock.

Good at: thousands of clients in code that can be read. It is what ``await`` does; the
runtimes add tasks that wait for each other, cancellation, and threads for what blocks.

Breaks: where a coroutine does not yield, as every model with one thread. And waiting is
contagious: whatever wants to yield must be called by ``yield from``, all the way up.
"""

import logging
import os
import select
import socket
from collections.abc import Generator, Iterable
from time import monotonic
from typing import Any, Final

from dumb_async.hosting import (
    AT_ONCE,
    PAUSE,
    Acceptor,
    Phase,
    Session,
    Stats,
    is_over,
    log_failure,
)
from dumb_async.protocol import NEED_DATA, Action, Close, Compute, NeedData, Send, Sleep

from .common.agenda import LAG_INTERVAL, Agenda
from .common.client import Client
from .common.host import Host
from .common.model import Model

logger = logging.getLogger(__name__)

#: What a coroutine yields: a phase, to wait until its descriptor is ready for that; a
#: number, to wait for so many seconds; or `TURN`, to let others have theirs.
Wait = Phase | float | None
Coroutine = Generator[Wait, None, None]
TURN: Final = None

LISTENING, STALLED, LINGERING = Phase.LISTENING, Phase.STALLED, Phase.LINGERING
EVENTS: Final[dict[Any, int]] = {
    LISTENING: select.EPOLLIN,
    LINGERING: select.EPOLLIN,
    STALLED: select.EPOLLOUT,
}
#: Coroutines that are gone on with in one turn, before clock and queue have theirs.
BATCH: Final = 128


class Task:
    """A coroutine on its way, and the descriptor it waits for, if it has one."""

    __slots__ = ("coroutine", "events", "fd", "nap", "phase", "wait")

    def __init__(self, coroutine: Coroutine, fd: int) -> None:
        self.coroutine = coroutine
        self.fd = fd
        self.events = 0  # that epoll knows of
        self.wait: Wait = TURN  # what it has yielded last
        self.nap: list[Any] | None = None
        self.phase = Phase.WORKING


class Scheduler:
    """Who waits for what, and a clock: an event loop."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.tasks: dict[int, Task] = {}
        self.agenda: Agenda[Task] = Agenda(self.go_on)

    def spawn(self, coroutine: Coroutine, fd: int = -1) -> Task:
        """Start a coroutine."""
        task = Task(coroutine, fd)
        if fd >= 0:
            self.epoll.register(fd, 0)
            self.tasks[fd] = task
        self.go_on(task)
        return task

    def turn(self) -> None:
        """Wait until somebody can go on, and go on with everybody who can."""
        for fd, _ in self.epoll.poll(self.agenda.timeout(), BATCH):
            task = self.tasks.get(fd)
            if task is not None:
                # Whoever does not wait for a descriptor is told of errors only.
                self.go_on(task, None if task.events else ConnectionResetError())
        self.agenda.run_due()

    def go_on(self, task: Task, error: Exception | None = None) -> None:
        """Let a coroutine run to its next ``yield``, and note what it waits for there."""
        try:
            coroutine = task.coroutine
            wait = coroutine.send(None) if error is None else coroutine.throw(error)
        except StopIteration:
            self.forget(task)
            return
        if wait is task.wait and task.events:
            return  # as most of the time: it waits for the same again
        task.wait = wait
        events = EVENTS.get(wait, 0)
        if events != task.events:
            self.epoll.modify(task.fd, events)
            task.events = events
        if wait is TURN:
            self.agenda.queue(task)
        elif isinstance(wait, float | int):
            self.agenda.sleep(task, wait)

    def forget(self, task: Task) -> None:
        """A coroutine has come to its end."""
        task.phase = Phase.CLOSED
        self.agenda.forget(task)
        self.tasks.pop(task.fd, None)


def talk(session: Session, stats: Stats) -> Coroutine:
    """Serve one client, from its first request to its end."""
    try:
        action: Action | NeedData = NEED_DATA
        while type(action) is not Close:
            yield LISTENING
            action = session.receive(monotonic())
            if action is not NEED_DATA:
                action = yield from perform(session, action)
    except Exception as error:
        if not session.given_up:
            stats.lost(error)
    finally:
        session.close()  # epoll forgets what is closed


def perform(
    session: Session, action: Action | NeedData
) -> Generator[Wait, None, Action | NeedData]:
    """Do what the core asks for until it needs data, or nothing more."""
    while action is not NEED_DATA:
        session.work()
        match action:
            case Send(data):
                yield from send(session, data)
            case Sleep(seconds):
                yield seconds
            case Compute():
                yield TURN
                session.connection.compute(action)
            case Close():
                yield from say_goodbye(session, action)
                return action
        action = session.answer()
    session.listen()
    return action


def send(session: Session, data: bytes) -> Coroutine:
    """Write all of ``data``: a large piece whenever it is our turn, and as much as is taken."""
    left = memoryview(data)
    while left:
        if len(left) > AT_ONCE:
            yield TURN
        sent = session.send(left)
        left = left[sent:]
        if left:
            session.stall(anew=sent > 0)
            yield STALLED
            if session.given_up:
                raise TimeoutError


def say_goodbye(session: Session, close: Close) -> Coroutine:
    """Read away what the client still says, so that it hears our last word."""
    if close.error is not None:
        log_failure(logger, "a command failed, its client was told and closed", close.error)
    if not is_over(session, close):
        yield from linger(session)


def linger(session: Session) -> Coroutine:
    """End our side, and wait for the client to end its own."""
    session.linger()
    while not session.read_away():
        yield LINGERING


def accept(host: Host, acceptor: Acceptor, listener: socket.socket) -> Coroutine:
    """Accept until the host stops, and then those who wait."""
    while not host.stopping:
        yield LISTENING
        if not acceptor.accept_burst(listener):
            yield PAUSE
    host.accept_rest(acceptor, listener)


def listen_for_bell(host: Host, agenda: Agenda[Task], doors: Iterable[Task]) -> Coroutine:
    """Wake those who accept once the host is to stop."""
    yield LISTENING
    os.eventfd_read(host.bell)
    for door in doors:
        agenda.queue(door)


def measure_lag(stats: Stats) -> Coroutine:
    """Sleep, and count how much longer it took."""
    while True:
        due = monotonic() + LAG_INTERVAL
        yield LAG_INTERVAL
        stats.observe_lag(max(monotonic() - due, 0.0))


class Coro:
    """A scheduler and the coroutines it begins with."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.scheduler = scheduler = Scheduler()
        agenda = scheduler.agenda
        self.shared = host.surroundings(agenda, agenda.deadlines, host.stats, agenda.prod)
        acceptor = host.acceptor(self.admit, self.refuse)
        doors = [
            scheduler.spawn(accept(host, acceptor, listener), listener.fileno())
            for listener in host.listeners
        ]
        scheduler.spawn(listen_for_bell(host, agenda, doors), host.bell)
        scheduler.spawn(measure_lag(host.stats))

    def run(self) -> None:
        """Serve until there is nobody left."""
        while not self.host.over:
            self.scheduler.turn()

    def admit(self, sock: socket.socket) -> None:
        """A coroutine for a new client."""
        client = self.host.welcome(sock, self.shared)
        self.spawn(client, talk(client, self.host.stats))
        self.host.stats.connections += 1

    def refuse(self, sock: socket.socket) -> None:
        """A coroutine for one that has been told SERVER_BUSY."""
        client = self.host.turn_away(sock, self.shared)
        if client is not None:
            self.spawn(client, see_off(client))

    def spawn(self, client: Client, coroutine: Coroutine) -> None:
        """Start the coroutine of a client."""
        try:
            self.scheduler.spawn(coroutine, client.fd)
        except BaseException:
            client.let_go()
            raise


def see_off(session: Session) -> Coroutine:
    """Let a refused client read why."""
    try:
        while not session.read_away():
            yield LINGERING
    except OSError:
        pass
    finally:
        session.close()


MODEL = Model("coro", Coro, "generators scheduled on epoll by hand", __doc__)

if __name__ == "__main__":
    MODEL.main()
