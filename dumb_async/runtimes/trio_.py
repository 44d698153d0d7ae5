"""trio: each client's task waits for its socket by itself, then reads, and writes."""

import contextlib
import math
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final, TypeVar

import trio

from ..handler import Receive
from ..hosting import FLUSH, READ_SIZE, Aborted, unread_bytes, unsent_bytes
from ..protocol import NEED_DATA, Action, NeedData
from .base import Cancel, Event, OnLost, TaskGroup

T = TypeVar("T")

_NOTHING: Final = memoryview(b"")


class TrioStream:
    """A client's socket; see `RuntimeStream`."""

    __slots__ = ("_aborted", "_ended", "_scope", "_sock", "_unsent", "_woken", "fd")

    def __init__(self, sock: socket.socket) -> None:
        self.fd = sock.fileno()
        self._sock = sock
        self._unsent = _NOTHING
        self._ended = False
        self._woken = False
        self._aborted = False
        self._scope: trio.CancelScope | None = None  # there is one while it is busy

    async def open(self) -> None:
        pass  # it is

    async def serve(self, receive: Receive) -> Action | NeedData:
        if self._aborted:  # while it was busy
            raise Aborted
        while not self._ended:
            try:
                await trio.lowlevel.wait_readable(self.fd)
                action = receive(os.read(self.fd, READ_SIZE))
            except BlockingIOError:
                continue
            except trio.ClosedResourceError:  # it is woken
                action = self._say_why()
            if action is not NEED_DATA:
                return action
        return receive(b"")

    def write(self, data: bytes | memoryview) -> bool:
        try:
            sent = os.write(self.fd, data)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return True
        self._unsent = memoryview(data)[sent:]
        return False

    async def drain(self) -> None:
        while self._unsent:
            with contextlib.suppress(trio.ClosedResourceError):
                await trio.lowlevel.wait_writable(self.fd)
                if self.write(self._unsent):
                    self._unsent = _NOTHING

    def write_eof(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    def unread(self) -> int:
        return unread_bytes(self._sock)

    def unsent(self) -> int:
        return len(self._unsent) + unsent_bytes(self._sock)

    def feed_eof(self) -> None:
        self._ended = True
        trio.lowlevel.notify_closing(self.fd)

    def wake(self) -> None:
        self._woken = True
        trio.lowlevel.notify_closing(self.fd)

    def cancel(self) -> None:
        self._aborted = True
        if self._scope is not None:
            self._scope.cancel()
        trio.lowlevel.notify_closing(self.fd)

    @contextlib.contextmanager
    def cancellable(self) -> Iterator[None]:
        with trio.CancelScope() as self._scope:
            if self._aborted:  # before it was busy
                self._scope.cancel()
            yield
        self._scope = None
        if self._aborted:
            raise Aborted

    async def aclose(self) -> None:
        self._sock.close()

    def _say_why(self) -> Action | NeedData:
        """Why `serve` was woken."""
        if self._aborted:
            raise Aborted
        woken, self._woken = self._woken, False
        return FLUSH if woken else NEED_DATA


class TrioRuntime:
    """trio, by its low-level waits on descriptors."""

    name = "trio"

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        return trio.run(main)

    def stream(self, sock: socket.socket, on_lost: OnLost) -> TrioStream:  # noqa: ARG002
        return TrioStream(sock)

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def checkpoint(self) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_readable(self, fd: int) -> None:
        await trio.lowlevel.wait_readable(fd)

    async def within(
        self, seconds: float | None, function: Callable[[], Awaitable[object]]
    ) -> bool:
        with trio.move_on_after(math.inf if seconds is None else seconds) as scope:
            await function()
        return not scope.cancelled_caught

    @contextlib.asynccontextmanager
    async def task_group(self) -> AsyncIterator[TaskGroup]:
        async with trio.open_nursery() as nursery:
            yield _TaskGroup(nursery)

    def event(self) -> Event:
        return trio.Event()

    def lock(self) -> contextlib.AbstractAsyncContextManager[object]:
        return trio.Lock()

    def signals(self, *numbers: int) -> contextlib.AbstractContextManager[AsyncIterator[int]]:
        return trio.open_signal_receiver(*numbers)


class _TaskGroup:
    """A nursery whose tasks can be cancelled one by one."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    def start_soon(self, function: Callable[..., Awaitable[None]], /, *args: Any) -> Cancel:
        scope = trio.CancelScope()
        self._nursery.start_soon(_run, scope, function, *args)
        return scope.cancel

    def start_stream(
        self, function: Callable[..., Awaitable[None]], stream: TrioStream, /, *args: Any
    ) -> None:
        # A name of its own would be a string a task.
        self._nursery.start_soon(function, stream, *args, name="client")


async def _run(
    scope: trio.CancelScope, function: Callable[..., Awaitable[None]], *args: Any
) -> None:
    with scope:
        await function(*args)
