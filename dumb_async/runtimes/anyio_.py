"""anyio, on asyncio, uvloop or trio: its own `SocketStream` for each client."""

import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any, TypeVar

import anyio
import anyio.abc
import anyio.lowlevel

from ..handler import Receive
from ..hosting import FLUSH, READ_SIZE, received_bytes, unsent_bytes
from ..protocol import NEED_DATA, Action, NeedData
from .base import Cancel, Event, OnLost, TaskGroup
from .sleeping import sleep_until

T = TypeVar("T")


class AnyioStream:
    """A client of anyio's stream, used as any user of anyio would; see `RuntimeStream`."""

    __slots__ = ("_ended", "_parked", "_read", "_sock", "_stream", "_unsent", "fd", "scope")
    _stream: anyio.abc.SocketStream
    scope: anyio.CancelScope

    def __init__(self, sock: socket.socket) -> None:
        self.fd = sock.fileno()
        self._sock = sock
        self._unsent: bytes | memoryview = b""
        self._read = 0  # bytes so far
        self._ended = False
        self._parked: anyio.CancelScope | None = None

    async def open(self) -> None:
        try:
            self._stream = await anyio.abc.SocketStream.from_socket(self._sock)
        except ValueError as error:  # it is not connected any more
            raise ConnectionResetError from error
        # Until a first `receive` has had to wait, anyio (4.16) lets the transport of asyncio read
        # on without bounds: 14 GB in a minute, from a client that pipelines from the first byte on.
        transport = getattr(self._stream, "_transport", None)
        if transport is not None and not transport.is_closing():
            transport.pause_reading()

    async def serve(self, receive: Receive) -> Action | NeedData:
        with anyio.CancelScope() as self._parked:
            while not self._ended:
                action = receive(await self._read_some())
                if action is not NEED_DATA:
                    return action
        return receive(b"") if self._ended else FLUSH

    def write(self, data: bytes | memoryview) -> bool:
        self._unsent = data  # anyio has no way to write without waiting
        return False

    async def drain(self) -> None:
        data, self._unsent = bytes(self._unsent), b""
        try:
            await self._stream.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise ConnectionResetError from error

    def write_eof(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    def unread(self) -> int:
        return received_bytes(self._sock) - self._read  # some of it may be in anyio's queue

    def unsent(self) -> int:
        return unsent_bytes(self._sock)

    def feed_eof(self) -> None:
        self._ended = True
        self.wake()

    def wake(self) -> None:
        if self._parked is not None:
            self._parked.cancel()

    def cancel(self) -> None:
        self.scope.cancel()

    def cancellable(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()  # all of its task is in its scope

    async def aclose(self) -> None:
        if hasattr(self, "_stream"):
            await self._stream.aclose()
        else:  # cancelled before it was opened
            self._sock.close()

    async def _read_some(self) -> bytes:
        try:
            data = await self._stream.receive(READ_SIZE)
        except anyio.EndOfStream:
            return b""
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise ConnectionResetError from error
        self._read += len(data)
        return data


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

    def stream(self, sock: socket.socket, on_lost: OnLost) -> AnyioStream:  # noqa: ARG002
        return AnyioStream(sock)

    async def sleep(self, seconds: float) -> None:
        await sleep_until(anyio.sleep, monotonic() + seconds)

    async def checkpoint(self) -> None:
        await anyio.lowlevel.checkpoint()

    async def wait_readable(self, fd: int) -> None:
        await anyio.wait_readable(fd)

    async def within(
        self, seconds: float | None, function: Callable[[], Awaitable[object]]
    ) -> bool:
        with anyio.move_on_after(seconds) as scope:
            await function()
        return not scope.cancelled_caught

    @contextlib.asynccontextmanager
    async def task_group(self) -> AsyncIterator[TaskGroup]:
        async with anyio.create_task_group() as group:
            yield _TaskGroup(group)

    def event(self) -> Event:
        return anyio.Event()

    def lock(self) -> contextlib.AbstractAsyncContextManager[object]:
        return anyio.Lock()

    def signals(self, *numbers: int) -> contextlib.AbstractContextManager[AsyncIterator[int]]:
        receiver: Any = anyio.open_signal_receiver
        result: contextlib.AbstractContextManager[AsyncIterator[int]] = receiver(*numbers)
        return result


class _TaskGroup:
    """A task group whose tasks can be cancelled one by one."""

    def __init__(self, group: anyio.abc.TaskGroup) -> None:
        self._group = group

    def start_soon(self, function: Callable[..., Awaitable[None]], /, *args: Any) -> Cancel:
        scope = anyio.CancelScope()
        self._group.start_soon(_run, scope, function, *args)
        return scope.cancel

    def start_stream(
        self, function: Callable[..., Awaitable[None]], stream: AnyioStream, /, *args: Any
    ) -> None:
        stream.scope = anyio.CancelScope()
        self._group.start_soon(_run, stream.scope, function, stream, *args)


async def _run(
    scope: anyio.CancelScope, function: Callable[..., Awaitable[None]], *args: Any
) -> None:
    with scope:
        await function(*args)


AnyioAsyncio = functools.partial(AnyioRuntime, "anyio-asyncio", "asyncio")
AnyioUvloop = functools.partial(AnyioRuntime, "anyio-uvloop", "asyncio", use_uvloop=True)
AnyioTrio = functools.partial(AnyioRuntime, "anyio-trio", "trio")
