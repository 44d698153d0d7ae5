"""asyncio from the standard library, on whatever loop is running."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from .base import CancelScope, Event, TaskGroup

T = TypeVar("T")


class AsyncioRuntime:
    """The standard library's asyncio."""

    name = "asyncio"

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        return self._run(main, None)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def checkpoint(self) -> None:
        await asyncio.sleep(0)

    async def wait_readable(self, fd: int) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(fd, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(fd)

    async def wait_writable(self, fd: int) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(fd, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(fd)

    async def call_when_readable(self, fd: int, callback: Callable[[], object]) -> None:
        # One registration for good: no task is woken and no system call made per call.
        loop = asyncio.get_running_loop()
        loop.add_reader(fd, callback)
        try:
            await asyncio.Event().wait()
        finally:
            loop.remove_reader(fd)

    @contextlib.asynccontextmanager
    async def task_group(self) -> AsyncIterator[TaskGroup]:
        with _CancelScope(None) as scope:
            async with asyncio.TaskGroup() as group:
                yield _TaskGroup(group, scope)

    def cancel_scope(
        self, timeout: float | None = None
    ) -> contextlib.AbstractContextManager[CancelScope]:
        return _CancelScope(timeout)

    def event(self) -> Event:
        return asyncio.Event()

    def lock(self) -> contextlib.AbstractAsyncContextManager[object]:
        return asyncio.Lock()

    @contextlib.contextmanager
    def signals(self, *numbers: int) -> Iterator[AsyncIterator[int]]:
        loop = asyncio.get_running_loop()
        received: asyncio.Queue[int] = asyncio.Queue()
        for number in numbers:
            loop.add_signal_handler(number, received.put_nowait, number)
        try:
            yield _drawn_from(received)
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    @staticmethod
    def _run(
        main: Callable[[], Awaitable[T]],
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None,
    ) -> T:
        async def body() -> T:
            return await main()

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(body())


class _CancelScope:
    """A cancel scope made of `asyncio.Task.cancel` and ``uncancel``, as `asyncio.timeout` is."""

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._timer: asyncio.TimerHandle | None = None
        self._called = self._delivered = self._left = False
        self.cancelled_caught = False

    def __enter__(self) -> "_CancelScope":
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a cancel scope lives in a task")
        self._task = task
        self._cancelling = task.cancelling()
        if self._timeout is not None:
            self._timer = task.get_loop().call_later(self._timeout, self.cancel)
        return self

    def cancel(self) -> None:
        if self._called:
            return
        self._called = True
        if asyncio.current_task() is self._task:
            # Before 3.13 a cancellation that the task has given itself cannot be taken back
            # when the scope is left without another wait: so it comes with the next turn.
            self._task.get_loop().call_soon(self._deliver)
        else:
            self._deliver()

    def _deliver(self) -> None:
        if not self._left:
            self._delivered = True
            self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if self._timer is not None:
            self._timer.cancel()
        # Somebody else's cancellation is not ours to swallow: then the count is still higher.
        ours = self._delivered and self._task.uncancel() <= self._cancelling
        self._left = True
        self.cancelled_caught = ours and kind is asyncio.CancelledError
        return self.cancelled_caught


class _TaskGroup:
    """`asyncio.TaskGroup` that can be cancelled as one."""

    def __init__(self, group: asyncio.TaskGroup, scope: _CancelScope) -> None:
        self._group = group
        self._scope = scope

    def start_soon(self, function: Callable[..., Awaitable[None]], /, *args: Any) -> None:
        coroutine: Any = function(*args)
        self._group.create_task(coroutine)

    def cancel(self) -> None:
        self._scope.cancel()


async def _drawn_from(queue: "asyncio.Queue[int]") -> AsyncIterator[int]:
    while True:
        yield await queue.get()
