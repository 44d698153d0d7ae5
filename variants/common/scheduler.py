"""What asyncio is made of, by hand: tasks, a scheduler, and a few things to await.

A coroutine that awaits runs down to one of the four functions at the end of this module, whose
``yield`` hands a `Wait` to the scheduler: what has to happen before the coroutine goes on. The
scheduler notes it, goes on with somebody else, and comes back with ``send`` when it is time.
Futures, which asyncio has between the two, are needed only where tasks wait for each other.

    await stream.serve()                    ┌───────────┐
      └─ await readable(fd) ── yield ─────▶ │ scheduler │ ◀── epoll: who is ready?
                             ◀── send ───── │           │ ◀── clock: whose time has come?
                                            └───────────┘
"""

import select
import types
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from typing import Final

from .schedule import Schedule
from .state import State
from .timers import Timer

#: Coroutines that are gone on with in one turn, before clock and queue have theirs.
BATCH: Final = 128


@dataclass(frozen=True, slots=True)
class Wait:
    """What a coroutine waits for.

    :param events: of its descriptor, for epoll; 0: errors alone.
    :param seconds: so long at the most; ``None``: for ever, or, without events, for its turn.
    """

    events: int = 0
    seconds: float | None = None


READABLE: Final = Wait(select.EPOLLIN)
TURN: Final = Wait()


class Task:
    """A coroutine on its way.

    :param fd: the one descriptor that it ever waits for, -1 if there is none.
    """

    __slots__ = ("coroutine", "events", "fd", "state", "timer")

    def __init__(self, coroutine: Coroutine[Wait, None, None], fd: int) -> None:
        self.coroutine = coroutine
        self.fd = fd
        self.events = 0  # that epoll knows of
        self.timer: Timer | None = None
        self.state = State.BUSY


class Scheduler:
    """An event loop: a table of who waits for what, and a clock."""

    def __init__(self) -> None:
        self.schedule: Schedule[Task] = Schedule(self.step)
        self._epoll = select.epoll()
        self._tasks: dict[int, Task] = {}

    def spawn(self, coroutine: Coroutine[Wait, None, None], fd: int = -1) -> Task:
        """Run a coroutine as a task, from now up to where it first waits.

        :raises OSError: if the descriptor cannot be watched.
        """
        task = Task(coroutine, fd)
        if fd >= 0:
            self._epoll.register(fd, 0)
            self._tasks[fd] = task
        self.step(task)
        return task

    def run_once(self) -> None:
        """Wait until somebody can go on, and go on with everybody who can."""
        for fd, _ in self._epoll.poll(self.schedule.timeout(), BATCH):
            task = self._tasks.get(fd)
            if task is not None:  # else it has ended in this very turn
                # Who does not wait for its descriptor is told of errors only.
                self.step(task, None if task.events else ConnectionResetError())
        self.schedule.run_due()

    def step(self, task: Task, error: Exception | None = None) -> None:
        """Go on with a coroutine up to its next ``yield``, and note what it waits for there."""
        self.schedule.forget(task)
        try:
            coroutine = task.coroutine
            wait = coroutine.send(None) if error is None else coroutine.throw(error)
        except StopIteration:
            self._forget(task)
        else:
            if wait.events != task.events:
                self._epoll.modify(task.fd, wait.events)
                task.events = wait.events
            if wait.seconds is not None:
                self.schedule.sleep(task, wait.seconds)
            elif not wait.events:
                self.schedule.queue(task)

    def _forget(self, task: Task) -> None:
        """A coroutine has come to its end; epoll forgets its descriptor when that is closed."""
        task.state = State.CLOSED
        self._tasks.pop(task.fd, None)


@types.coroutine
def readable(seconds: float | None = None) -> Generator[Wait, None, None]:
    """Wait until the task's descriptor has something to read or an error, or the time is over."""
    yield READABLE if seconds is None else Wait(select.EPOLLIN, seconds)


@types.coroutine
def writable() -> Generator[Wait, None, None]:
    """Wait until the task's descriptor takes more, or has an error."""
    yield Wait(select.EPOLLOUT)


@types.coroutine
def sleep(seconds: float) -> Generator[Wait, None, None]:
    """Let time pass.

    :raises ConnectionResetError: at once, if the task's descriptor has an error.
    """
    yield Wait(seconds=seconds)


@types.coroutine
def turn() -> Generator[Wait, None, None]:
    """Let others have their turn; one of those who wait here has one in each turn of the loop.

    :raises ConnectionResetError: at once, if the task's descriptor has an error.
    """
    yield TURN
