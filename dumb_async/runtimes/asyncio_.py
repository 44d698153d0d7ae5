"""asyncio from the standard library: a protocol on a transport for each client.

The transport reads, and calls `TransportStream.data_received`. While the handler is parked,
what was read is answered in that callback; the handler's future is set only for what must wait.
"""

import asyncio
import contextlib
import contextvars
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final, TypeVar, cast

from ..handler import Receive
from ..hosting import FLUSH, READ_SIZE, unread_bytes, unsent_bytes
from ..protocol import NEED_DATA, Action, NeedData
from .base import Cancel, Event, OnLost, TaskGroup

T = TypeVar("T")

_ALWAYS: Final = contextlib.nullcontext()


class TransportStream:
    """A client of a transport, of whatever loop; see `RuntimeStream`."""

    __slots__ = (
        "_blocked",
        "_closed",
        "_drained",
        "_ended",
        "_kept",
        "_lost",
        "_on_lost",
        "_parked",
        "_receive",
        "_sock",
        "_transport",
        "context",
        "fd",
        "task",
    )
    _transport: asyncio.Transport
    _receive: Receive
    task: asyncio.Task[Any]

    def __init__(self, sock: socket.socket, on_lost: OnLost) -> None:
        self.fd = sock.fileno()
        self.context = contextvars.copy_context()
        self._sock = sock
        self._on_lost = on_lost
        self._parked: asyncio.Future[Action | NeedData] | None = None  # who waits in `serve`
        self._drained: asyncio.Future[None] | None = None  # who waits in `drain`
        self._kept = b""  # came while nobody was parked; nothing more is read meanwhile
        self._ended = False  # nothing follows what was kept
        self._blocked = False  # the transport has not got rid of everything
        self._lost = False  # or closed
        self._closed: asyncio.Future[None] | None = None  # who waits in `aclose`

    async def open(self) -> None:
        protocol = cast(asyncio.Protocol, self)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: protocol, self._sock)

    def serve(self, receive: Receive) -> Awaitable[Action | NeedData]:
        loop = asyncio.get_running_loop()
        self._receive = receive
        self._parked = parked = loop.create_future()
        if self._kept or self._ended:
            loop.call_soon(self._read_on)  # once the handler has left its context
        else:
            self._transport.resume_reading()
        return parked

    def write(self, data: bytes | memoryview) -> bool:
        self._transport.write(data)
        return not self._blocked

    def drain(self) -> Awaitable[object]:
        self._drained = drained = asyncio.get_running_loop().create_future()
        if not self._blocked:
            drained.set_result(None)
        return drained

    def write_eof(self) -> None:
        self._transport.write_eof()

    def unread(self) -> int:
        try:
            return len(self._kept) + unread_bytes(self._sock)
        except OSError:  # lost: the transport has closed it
            return len(self._kept)

    def unsent(self) -> int:
        return self._transport.get_write_buffer_size() + unsent_bytes(self._sock)

    def feed_eof(self) -> None:
        self._ended = True
        self._read_on()

    def wake(self) -> None:
        self._return(FLUSH)

    def cancel(self) -> None:
        self.task.cancel()

    def cancellable(self) -> contextlib.AbstractContextManager[None]:
        return _ALWAYS  # its task can be cancelled wherever it waits

    async def aclose(self) -> None:
        self._parked = None
        self._closed = asyncio.get_running_loop().create_future()
        if not hasattr(self, "_transport"):  # cancelled before it was opened
            self._sock.close()
        elif self._is_open():
            self._transport.abort()
            await self._closed

    def _is_open(self) -> bool:
        # asyncio and uvloop close it themselves if opening it is cancelled, each in its own way.
        return not self._lost and not self._transport.is_closing() and self._sock.fileno() >= 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have the transport say by `pause_writing` that not everything has gone."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        """Have what was read answered now, or keep it."""
        if self._parked is None or self._kept or len(data) > READ_SIZE:
            self._kept += data
            self._transport.pause_reading()
            self._read_on()
        else:
            self._hand_over(data)

    def eof_received(self) -> bool:
        """Keep the connection open: there may be replies to come."""
        self.feed_eof()
        return True

    def connection_lost(self, _error: Exception | None) -> None:
        """End what is done for the client, unless it is us who have closed the connection."""
        self._lost = True
        if self._closed is None:
            self._on_lost(self)
        elif not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        """Not everything has gone."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Now it has."""
        self._blocked = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _read_on(self) -> None:
        """Hand over a piece of what was kept; another one in the next turn of the loop."""
        if self._parked is None:
            return
        if self._kept:
            data, self._kept = self._kept[:READ_SIZE], self._kept[READ_SIZE:]
            self._hand_over(data)
            asyncio.get_running_loop().call_soon(self._read_on)
        elif self._ended:
            self._hand_over(b"")
        else:
            self._transport.resume_reading()

    def _hand_over(self, data: bytes) -> None:
        """Have the handler's `receive` called, in its context; wake it if something has to wait."""
        try:
            action = self.context.run(self._receive, data)
        except Exception as error:
            parked, self._parked = self._parked, None
            if parked is not None and not parked.done():
                parked.set_exception(error)
        else:
            if action is not NEED_DATA:
                self._return(action)

    def _return(self, action: Action | NeedData) -> None:
        """Have `serve` return, unless its task is cancelled."""
        parked, self._parked = self._parked, None
        if parked is not None and not parked.done():
            parked.set_result(action)


class AsyncioStream(TransportStream, asyncio.BufferedProtocol):
    """A client of asyncio's own transport.

    It reads into a buffer of ours: for any other protocol it would allocate 256 KiB, which is
    three system calls, for every read.
    """

    __slots__ = ("_buffer",)

    def __init__(self, sock: socket.socket, on_lost: OnLost, buffer: memoryview) -> None:
        super().__init__(sock, on_lost)
        self._buffer = buffer

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where to read to; all clients of a loop share it, as it is empty after every read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So much has been read into it."""
        self.data_received(self._buffer[:nbytes].tobytes())


class AsyncioRuntime:
    """The standard library's asyncio."""

    name = "asyncio"

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(READ_SIZE))

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        return self._run(main, None)

    def stream(self, sock: socket.socket, on_lost: OnLost) -> TransportStream:
        return AsyncioStream(sock, on_lost, self._buffer)

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

    async def within(
        self, seconds: float | None, function: Callable[[], Awaitable[object]]
    ) -> bool:
        try:
            async with asyncio.timeout(seconds) as scope:
                await function()
        except TimeoutError:
            if not scope.expired():  # it is the function's own
                raise
            return False
        return True

    def task_group(self) -> contextlib.AbstractAsyncContextManager[TaskGroup]:
        return _TaskGroup()

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


class _TaskGroup(asyncio.TaskGroup):
    """Tasks that can be cancelled one by one."""

    def start_soon(self, function: Callable[..., Awaitable[None]], /, *args: Any) -> Cancel:
        coroutine: Any = function(*args)
        return self.create_task(coroutine).cancel

    def start_stream(
        self, function: Callable[..., Awaitable[None]], stream: TransportStream, /, *args: Any
    ) -> None:
        coroutine: Any = function(stream, *args)
        stream.task = self.create_task(coroutine, context=stream.context)


async def _drawn_from(queue: "asyncio.Queue[int]") -> AsyncIterator[int]:
    while True:
        yield await queue.get()
