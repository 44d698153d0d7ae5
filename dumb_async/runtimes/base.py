"""The seam: all that the server asks of a runtime, and nothing that it does not.

The words are trio's, as anyio has them: tasks live in a group that waits for them,
a scope can be cancelled or has a deadline, and every wait is a checkpoint.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class TaskGroup(Protocol):
    """Where tasks live: left only when all of them are through."""

    def start_soon(self, function: Callable[..., Awaitable[None]], /, *args: Any) -> None:
        """Start ``function(*args)`` as a task of this group."""

    def cancel(self) -> None:
        """Cancel every task of the group, and whatever runs in its body."""


class CancelScope(Protocol):
    """What runs inside can be cancelled as one; the scope then ends without an exception."""

    def cancel(self) -> None:
        """Cancel what runs inside."""

    @property
    def cancelled_caught(self) -> bool:
        """Whether the scope was ended by its own cancellation or deadline."""


class Event(Protocol):
    """Something that happens once and stays so."""

    def set(self) -> object:
        """It has happened."""

    def is_set(self) -> bool:
        """Whether it has."""

    async def wait(self) -> object:
        """Wait until it has."""


class Runtime(Protocol):
    """One way to run coroutines. Every ``async`` method can be cancelled and loses nothing."""

    @property
    def name(self) -> str:
        """The name it has on the command line."""

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        """Run ``main()`` to its end in a new event loop."""

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass, never less."""

    async def checkpoint(self) -> None:
        """Give everybody else their turn."""

    async def wait_readable(self, fd: int) -> None:
        """Wait until ``fd`` has something to read, or an error."""

    async def wait_writable(self, fd: int) -> None:
        """Wait until ``fd`` takes bytes again, or has an error."""

    async def call_when_readable(self, fd: int, callback: Callable[[], object]) -> None:
        """Call ``callback`` whenever ``fd`` is readable, until cancelled."""

    def task_group(self) -> AbstractAsyncContextManager[TaskGroup]:
        """Open a group of tasks."""

    def cancel_scope(self, timeout: float | None = None) -> AbstractContextManager[CancelScope]:
        """Open a scope, cancelled after ``timeout`` seconds if one is given."""

    def event(self) -> Event:
        """Make an event."""

    def lock(self) -> AbstractAsyncContextManager[object]:
        """Make a lock that is handed over in the order of asking."""

    def signals(self, *numbers: int) -> AbstractContextManager[AsyncIterator[int]]:
        """Catch signals and iterate over them as they come; main thread only."""
