"""The seam: all that the server asks of a runtime, and nothing that it does not.

A runtime has a stream of its own kind, tasks in groups, and a few ways to wait, each of them a
checkpoint. Whatever waits can be cancelled, and then loses nothing.
"""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol, TypeVar

from ..handler import Stream

T = TypeVar("T")

Cancel = Callable[[], object]
OnLost = Callable[[Any], object]


class RuntimeStream(Stream, Protocol):
    """The connection to one client, by the runtime's own means; made by `Runtime.stream`."""

    fd: int

    async def open(self) -> None:
        """Get ready to read and to write.

        :raises OSError: if the connection is lost already.
        """

    def cancellable(self) -> AbstractContextManager[object]:
        """Give `cancel` a hold of what is done inside; `serve` has it anyway.

        :raises Aborted: at the end of the block, perhaps, if it was cancelled.
        """

    def drain(self) -> Awaitable[object]:
        """Wait until everything that was written has gone to the kernel.

        :raises OSError: if the connection is lost.
        """

    def write_eof(self) -> None:
        """End our side; everything has gone before.

        :raises OSError: if the connection is lost.
        """


class TaskGroup(Protocol):
    """Where tasks live: left only when all of them are through."""

    def start_soon(self, function: Callable[..., Awaitable[None]], /, *args: Any) -> Cancel:
        """Start ``function(*args)`` as a task of this group; return what cancels it."""

    def start_stream(
        self, function: Callable[..., Awaitable[None]], stream: Any, /, *args: Any
    ) -> None:
        """Start ``function(stream, *args)`` as a task of this group, which the stream cancels.

        What is received from the stream is received in the context (contextvars) of that task.
        """


class Event(Protocol):
    """Something that happens once and stays so."""

    def set(self) -> object:
        """It has happened."""

    def is_set(self) -> bool:
        """Whether it has."""

    async def wait(self) -> object:
        """Wait until it has."""


class Runtime(Protocol):
    """One way to run coroutines."""

    @property
    def name(self) -> str:
        """The name it has on the command line."""

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        """Run ``main()`` to its end in a new event loop."""

    def stream(self, sock: socket.socket, on_lost: OnLost) -> RuntimeStream:
        """Make the stream of a connected socket that does not block, and is closed with it.

        :param on_lost: called with the stream when the connection is lost, on runtimes whose
            waits do not say so by an exception.
        """

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass, never less."""

    async def checkpoint(self) -> None:
        """Give everybody else their turn."""

    async def wait_readable(self, fd: int) -> None:
        """Wait until ``fd`` has something to read, or an error."""

    async def within(
        self, seconds: float | None, function: Callable[[], Awaitable[object]]
    ) -> bool:
        """Await ``function()``; false if that was cancelled because the time was over.

        :param seconds: ``None``: there is always time.
        """

    def task_group(self) -> AbstractAsyncContextManager[TaskGroup]:
        """Open a group of tasks."""

    def event(self) -> Event:
        """Make an event."""

    def lock(self) -> AbstractAsyncContextManager[object]:
        """Make a lock that is handed over in the order of asking."""

    def signals(self, *numbers: int) -> AbstractContextManager[AsyncIterator[int]]:
        """Catch signals and iterate over them as they come; main thread only."""
