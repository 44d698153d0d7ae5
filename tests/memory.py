"""A client in memory: no socket, and what it takes and says is up to the test."""

import contextlib
import os
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from dumb_async.context import Client, ServerContext
from dumb_async.handler import Receive
from dumb_async.hosting import FLUSH, Session
from dumb_async.protocol import NEED_DATA, Action, Compute, NeedData
from dumb_async.runtimes import Runtime

T = TypeVar("T")


class MemoryStream:
    """A client as far as nothing waits for it; see `hosting.Stream`.

    :param room: bytes that go to the kernel before the client has to read.
    """

    def __init__(self, room: float = float("inf")) -> None:
        self.sent = bytearray()
        self.room = room
        self.arrived = 0  # bytes that nobody has read
        self.calls: list[str] = []
        self.lost = False

    def write(self, data: bytes | memoryview) -> bool:
        """Take it all; the client may read it or not."""
        if self.lost:
            raise ConnectionResetError
        self.sent += data
        return len(self.sent) <= self.room

    def unread(self) -> int:
        """What the test says that there is."""
        return self.arrived

    def unsent(self) -> int:
        """What is over the room that there is."""
        return max(0, int(len(self.sent) - self.room)) if self.room < float("inf") else 0

    def feed_eof(self) -> None:
        """Note that it was called."""
        self.calls.append("feed_eof")

    def wake(self) -> None:
        """Note that it was called."""
        self.calls.append("wake")

    def cancel(self) -> object:
        """Note that it was called."""
        self.calls.append("cancel")
        return None


MemorySession = Session[MemoryStream]


def hear(session: MemorySession, data: bytes) -> Action | NeedData:
    """Have it hear ``data``; return what has to wait, but for what it has said to go."""
    action = session.receive(data)
    while action is FLUSH:
        action = session.next_action()
    return action


class Waits:
    """A runtime, every wait of which is noted, and may be used to interfere.

    :param interfere: called with the name of each place before it waits there.
    """

    def __init__(self, runtime: Runtime, interfere: Callable[[str], object]) -> None:
        self.runtime = runtime
        self.doing = ""  # which action, if any
        self.seen: list[str] = []
        self._interfere = interfere

    async def wait(self, place: str) -> None:
        """Wait there, for a turn."""
        self.seen.append(place)
        self._interfere(place)
        await self.runtime.checkpoint()

    async def checkpoint(self) -> None:
        """See `Runtime`."""
        await self.wait(self.doing)

    async def sleep(self, seconds: float) -> None:
        """See `Runtime`; without a clock that jumps, no time has to pass."""
        await self.wait(self.doing)
        if self.runtime.name == "trio":
            await self.runtime.sleep(seconds)

    def lock(self) -> Any:
        """See `Runtime`."""
        return self.runtime.lock()

    def event(self) -> Any:
        """See `Runtime`."""
        return self.runtime.event()

    async def within(
        self, seconds: float | None, function: Callable[[], Awaitable[object]]
    ) -> bool:
        """See `Runtime`."""
        return await self.runtime.within(seconds, function)


class MemoryContext(ServerContext):
    """The context of a server, whose actions have names."""

    __slots__ = ("waits",)

    def __init__(self, waits: Waits, *args: Any) -> None:
        runtime: Any = waits
        super().__init__(runtime, *args)
        self.waits = waits

    async def send(self, session: Client, data: bytes) -> None:
        """See `ServerContext`."""
        with self._doing("send"):
            await super().send(session, data)

    async def sleep(self, session: Client, seconds: float) -> None:
        """See `ServerContext`."""
        with self._doing("sleep"):
            await super().sleep(session, seconds)

    async def compute(self, session: Client, action: Compute) -> None:
        """See `ServerContext`."""
        with self._doing("compute"):
            await super().compute(session, action)

    async def linger(self, session: Client) -> None:
        """See `ServerContext`."""
        with self._doing("linger"):
            await super().linger(session)

    @contextlib.contextmanager
    def _doing(self, what: str) -> Any:
        self.waits.doing = what
        yield
        self.waits.doing = ""


class MemoryConnection(MemoryStream):
    """A client that can be waited for; see `runtimes.RuntimeStream`.

    :param reads: what comes in, read by read; then nothing more, unless it ends with b"".
    :param lose_at: at which call of its methods the connection is lost; -1: at none.
    """

    def __init__(
        self,
        waits: Waits,
        reads: Iterable[bytes],
        room: float = float("inf"),
        lose_at: int = -1,
    ) -> None:
        super().__init__(room)
        self.fd = os.eventfd(0)  # something that an epoll takes, and never has an error
        self.cancel_task: Callable[[], object] = lambda: None
        self.closed = False
        self.shut = False
        self.read = 0
        self.unwritten = 0  # bytes with which it was lost
        self._waits = waits
        self._reads = deque(reads)
        self._news = waits.event()
        self._woken = False
        self._left = lose_at

    async def open(self) -> None:
        """See `RuntimeStream`."""
        await self._waits.wait("open")
        self._may_be_lost()

    async def serve(self, receive: Receive) -> Action | NeedData:
        """See `RuntimeStream`."""
        while True:
            await self._waits.wait(self._waits.doing or "serve")
            self._may_be_lost()
            if self._woken:
                self._woken = False
                return FLUSH
            if not self._reads:
                await self._news.wait()
                self._news = self._waits.event()
                continue
            data = self._reads[0]
            if data:
                self._reads.popleft()
            self.read += len(data) if self._waits.doing != "linger" else 0  # it is read away
            action = receive(data)
            if action is not NEED_DATA:
                return action

    def write(self, data: bytes | memoryview) -> bool:
        """See `RuntimeStream`."""
        self.unwritten += len(data)
        self._may_be_lost()
        self.unwritten -= len(data)
        return super().write(data)

    async def drain(self) -> None:
        """The client reads it all, and makes as much room again; see `RuntimeStream`."""
        await self._waits.wait("drain")
        self._may_be_lost()
        self.room += len(self.sent)

    def write_eof(self) -> None:
        """See `RuntimeStream`."""
        self._may_be_lost()
        self.shut = True

    def feed(self, *reads: bytes) -> None:
        """Have more come in."""
        self._reads.extend(reads)
        self._news.set()

    def feed_eof(self) -> None:
        """See `RuntimeStream`."""
        super().feed_eof()
        self.feed(b"")

    def wake(self) -> None:
        """See `RuntimeStream`."""
        super().wake()
        self._woken = True
        self._news.set()

    def cancel(self) -> object:
        """See `RuntimeStream`."""
        super().cancel()
        return self.cancel_task()

    def cancellable(self) -> contextlib.AbstractContextManager[None]:
        """See `RuntimeStream`: its task can be cancelled wherever it waits."""
        return contextlib.nullcontext()

    async def aclose(self) -> None:
        """See `RuntimeStream`."""
        assert not self.closed
        self.closed = True
        os.close(self.fd)
        await self._waits.wait("aclose")

    def _may_be_lost(self) -> None:
        self._left -= 1
        self.lost = self.lost or self._left == -1
        if self.lost:
            raise ConnectionResetError
