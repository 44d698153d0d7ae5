"""anyio, on asyncio, uvloop or trio."""

import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any, TypeVar

import anyio
import anyio.abc
import anyio.lowlevel

from .base import CancelScope, Event, TaskGroup
from .waiting import call_when_readable, sleep_until

T = TypeVar("T")


class AnyioRuntime:
    """anyio on one of its backends.

    :param backend: ``asyncio`` or ``trio``.
    :param options: the backend's options, such as ``use_uvloop``.
    """

    def __init__(self, name: str, backend: str, **options: Any) -> None:
        self.name = name
        self._backend = backend
        self._options = options

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        return anyio.run(main, backend=self._backend, backend_options=self._options)

    async def sleep(self, seconds: float) -> None:
        await sleep_until(anyio.sleep, monotonic() + seconds)

    async def checkpoint(self) -> None:
        await anyio.lowlevel.checkpoint()

    async def wait_readable(self, fd: int) -> None:
        await anyio.wait_readable(fd)

    async def wait_writable(self, fd: int) -> None:
        await anyio.wait_writable(fd)

    async def call_when_readable(self, fd: int, callback: Callable[[], object]) -> None:
        await call_when_readable(anyio.wait_readable, fd, callback)

    @contextlib.asynccontextmanager
    async def task_group(self) -> AsyncIterator[TaskGroup]:
        async with anyio.create_task_group() as group:
            yield _TaskGroup(group)

    def cancel_scope(
        self, timeout: float | None = None
    ) -> contextlib.AbstractContextManager[CancelScope]:
        return anyio.move_on_after(timeout)

    def event(self) -> Event:
        return anyio.Event()

    def lock(self) -> contextlib.AbstractAsyncContextManager[object]:
        return anyio.Lock()

    def signals(self, *numbers: int) -> contextlib.AbstractContextManager[AsyncIterator[int]]:
        receiver: Any = anyio.open_signal_receiver
        result: contextlib.AbstractContextManager[AsyncIterator[int]] = receiver(*numbers)
        return result


class _TaskGroup:
    def __init__(self, group: anyio.abc.TaskGroup) -> None:
        self._group = group

    def start_soon(self, function: Callable[..., Awaitable[None]], /, *args: Any) -> None:
        coroutine_function: Any = function
        self._group.start_soon(coroutine_function, *args)

    def cancel(self) -> None:
        self._group.cancel_scope.cancel()


AnyioAsyncio = functools.partial(AnyioRuntime, "anyio-asyncio", "asyncio")
AnyioUvloop = functools.partial(AnyioRuntime, "anyio-uvloop", "asyncio", use_uvloop=True)
AnyioTrio = functools.partial(AnyioRuntime, "anyio-trio", "trio")
