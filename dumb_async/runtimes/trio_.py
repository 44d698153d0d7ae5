"""trio."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import trio

from .base import CancelScope, Event, TaskGroup
from .waiting import call_when_readable

T = TypeVar("T")


class TrioRuntime:
    """trio, by its low-level waits on descriptors: no stream class."""

    name = "trio"

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        return trio.run(main)

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def checkpoint(self) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_readable(self, fd: int) -> None:
        await trio.lowlevel.wait_readable(fd)

    async def wait_writable(self, fd: int) -> None:
        await trio.lowlevel.wait_writable(fd)

    async def call_when_readable(self, fd: int, callback: Callable[[], object]) -> None:
        await call_when_readable(trio.lowlevel.wait_readable, fd, callback)

    @contextlib.asynccontextmanager
    async def task_group(self) -> AsyncIterator[TaskGroup]:
        async with trio.open_nursery() as nursery:
            yield _TaskGroup(nursery)

    def cancel_scope(
        self, timeout: float | None = None
    ) -> contextlib.AbstractContextManager[CancelScope]:
        return trio.move_on_after(float("inf") if timeout is None else timeout)

    def event(self) -> Event:
        return trio.Event()

    def lock(self) -> contextlib.AbstractAsyncContextManager[object]:
        return trio.Lock()

    def signals(self, *numbers: int) -> contextlib.AbstractContextManager[AsyncIterator[int]]:
        return trio.open_signal_receiver(*numbers)


class _TaskGroup:
    def __init__(self, nursery: trio.Nursery) -> None:
        self.start_soon = nursery.start_soon
        self.cancel = nursery.cancel_scope.cancel
