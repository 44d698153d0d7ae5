"""asyncio's streams: ``start_server``, ``readline``, ``drain``, as most tutorials have it.

    client 1 ─▶ transport ─▶ StreamReader ─▶ await readline() ─┐
    client 2 ─▶ transport ─▶ StreamReader ─▶ await readline() ─┼─▶ the event loop
    client 3 ─▶ transport ─▶ StreamReader ─▶ await readline() ─┘
                   (a task each, and a buffer on both sides)

The model. A task per connection reads a line, answers it, and awaits that the answer can
go. It is the shortest of all, and what this project's primary server improves on.

Good at: being written in five minutes; a few hundred clients that behave.

Breaks, quietly: ``await drain()`` does not yield while the buffer is not full, so a STREAM
to a fast reader goes on and on, and a client that pipelines has all its lines read before
anybody else has a turn: `readline` does not yield either when there is a line. A line at a
time is also slow: a task is woken, a buffer is cut and a future made for each. While a
transport is paused, or the client has ended its side, nobody notices a reset. And nobody
can ask when a line began.

(`readuntil` stands here for `readline`, which is the same and throws away what is too long.)
"""

import asyncio
import contextlib
import errno
import logging
import socket
import sys
from asyncio import StreamReader, StreamWriter
from time import monotonic
from typing import Any

from dumb_async.hosting import LINGER, READ_SIZE, AccessLog, NoRoom, log_failure, received_bytes
from dumb_async.protocol import (
    NEED_DATA,
    SERVER_BUSY,
    Action,
    Close,
    Compute,
    NeedData,
    Send,
    Sleep,
)

from .common.agenda import LAG_INTERVAL
from .common.host import Host
from .common.model import Model

logger = logging.getLogger(__name__)


class Streams:
    """The server: a task for each client."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.limit = host.settings.limit_line  # of a line, in the reader too
        self.tasks: dict[asyncio.Task[Any], Conversation] = {}
        host.count_with(lambda: len(self.tasks))

    def run(self) -> None:
        """Serve until there is nobody left."""
        asyncio.run(self.serve())

    async def serve(self) -> None:
        """Serve until the bell rings and everybody has gone."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self.count_error)
        bell = asyncio.Event()
        loop.add_reader(self.host.bell, bell.set)
        self.host.at_cut.append(lambda: loop.call_soon_threadsafe(self.cut))
        servers = [await self.start(listener) for listener in self.host.listeners]
        lag = asyncio.create_task(self.measure_lag())
        await bell.wait()
        loop.remove_reader(self.host.bell)
        await self.accept_rest()
        for server in servers:
            server.close()
        await asyncio.sleep(0)  # those who were accepted just now
        for conversation in self.tasks.values():
            conversation.end_input()
        while self.tasks:
            await asyncio.wait(self.tasks)
        lag.cancel()
        if sys.version_info >= (3, 13):  # whose task had not begun: 3.13.0 stumbles over them
            for server in servers:
                server.abort_clients()
        await asyncio.sleep(0)  # transports close a turn later

    async def accept_rest(self) -> None:
        """Serve those too who had connected before the stop."""
        late: list[socket.socket] = []
        acceptor = self.host.acceptor(late.append, socket.socket.close)
        for listener in self.host.listeners:
            acceptor.accept_burst(listener, self.host.settings.backlog)
        for sock in late:
            streams = await asyncio.open_connection(sock=sock, limit=self.limit)
            task = asyncio.create_task(self.welcome(*streams))
            self.tasks[task] = Conversation(self.host, *streams)

    async def start(self, listener: socket.socket) -> asyncio.Server:
        """Accept on one listening socket."""
        # asyncio tries to accept as often as the backlog is long, and each try that fails for
        # want of descriptors starts another such round later: so it may try once at a time.
        server = await asyncio.start_server(
            self.welcome, sock=listener, backlog=1, limit=self.limit
        )
        listener.listen(self.host.settings.backlog)
        return server

    async def welcome(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve one client, from beginning to end."""
        stats, task = self.host.stats, asyncio.current_task()
        assert task is not None
        conversation = self.tasks.pop(task, None) or Conversation(self.host, reader, writer)
        try:
            self.host.make_room()
        except NoRoom as reason:
            stats.reject(str(reason))
            await see_off(reader, writer, SERVER_BUSY)
            return
        self.tasks[task] = conversation
        if self.host.stopping:
            conversation.end_input()
        stats.connections += 1
        stats.active = len(self.tasks)
        try:
            await conversation.serve()
        except (OSError, MemoryError, asyncio.CancelledError) as error:
            if isinstance(error, Exception):
                stats.lost(error)
            writer.transport.abort()
        finally:
            writer.close()
            del self.tasks[task]
            stats.active = len(self.tasks)

    def cut(self) -> None:
        """End all conversations as they are."""
        for task in self.tasks:
            task.cancel()

    def count_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Count what accept(2) says, where asyncio would log it thousands of times."""
        error = context.get("exception")
        if isinstance(error, OSError) and "accept" in context["message"]:
            self.host.stats.reject(errno.errorcode.get(error.errno or 0, "unknown").lower())
        elif isinstance(error, MemoryError):
            pass  # the conversation ends with it, and counts it
        elif not self.host.stopping:  # else it tries to accept again on what is closed
            loop.default_exception_handler(context)

    async def measure_lag(self) -> None:
        """Sleep, and count how much longer it took."""
        while True:
            due = monotonic() + LAG_INTERVAL
            await asyncio.sleep(LAG_INTERVAL)
            self.host.stats.observe_lag(max(monotonic() - due, 0.0))


class Conversation:
    """One client: a line is read, the core is asked, and what it says is done."""

    def __init__(self, host: Host, reader: StreamReader, writer: StreamWriter) -> None:
        self.host = host
        self.settings = host.settings
        self.stats = host.stats
        self.reader = reader
        self.writer = writer
        self.closed: asyncio.Future[None] | None = None
        self.heard = 0  # bytes
        self.last: int | None = None  # byte that is listened to: none comes after a stop
        counts = host.stats.requests
        self.log = None
        if self.settings.access_log:
            self.log = AccessLog(writer.get_extra_info("socket"), counts)
            counts = self.log.counts
        self.connection = host.connect(counts, lambda: None)

    async def serve(self) -> None:
        """Read, answer, and so on, to the end."""
        while True:
            line = await self.read_line()
            if line:
                self.connection.receive_data(line)
            if not line or self.is_last():
                self.connection.receive_eof()
            while (action := self.connection.next_action()) is not NEED_DATA:
                if isinstance(action, Close):
                    await self.close(action)
                    return
                await self.perform(action)
            if self.log:
                self.log.end()

    async def read_line(self) -> bytes:
        """The next line; what there is of it if the input ends, nothing after that."""
        settings, begun = self.settings, b""
        since = monotonic()
        while True:
            patience = settings.timeout_line if begun else settings.timeout_idle
            try:
                async with asyncio.timeout(
                    min(patience, settings.timeout_line or patience) or None
                ):
                    line = begun + await self.reader.readuntil()
            except asyncio.LimitOverrunError as error:  # the core has an answer to that
                line = begun + await self.reader.readexactly(error.consumed)
            except asyncio.IncompleteReadError as error:
                line = begun + error.partial
            except TimeoutError:
                if begun or 0 < settings.timeout_idle <= monotonic() - since:
                    self.stats.timeouts["line" if begun else "idle"] += 1
                    return b""
                begun = await self.read_at_once()  # is it a line? `readline` does not say
                continue
            self.heard += len(line)
            self.stats.bytes_received += len(line)
            if self.log:
                self.log.begin(monotonic())
            return line

    def end_input(self) -> None:
        """End the client's side for it: what it has asked is answered, and nothing more."""
        with contextlib.suppress(OSError):
            sock = self.writer.get_extra_info("socket")
            self.last = received_bytes(sock)
            sock.shutdown(socket.SHUT_RD)

    def is_last(self) -> bool:
        """Whether all has been heard that is listened to."""
        if self.last is None and self.host.stopping:  # the loop has not yielded to the bell
            self.end_input()
        return self.last is not None and self.heard >= self.last

    async def read_at_once(self) -> bytes:
        """What has come in already."""
        try:
            async with asyncio.timeout(0):
                return await self.reader.read(self.settings.limit_line)
        except TimeoutError:
            return b""

    async def perform(self, action: Action | NeedData) -> None:
        """Do what the core asks for."""
        match action:
            case Send(data):
                self.writer.write(data)
                await self.drain()
                self.stats.bytes_sent += len(data)
            case Sleep(seconds):
                await self.pause(seconds)
            case Compute():
                self.connection.compute(action)
                await asyncio.sleep(0)
        if self.writer.transport.is_closing():
            raise ConnectionResetError

    async def drain(self) -> None:
        """Wait until the client has taken enough of what was written."""
        before = -1
        while (left := self.writer.transport.get_write_buffer_size()) != before:
            before = left
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.settings.timeout_write or None):
                    await self.writer.drain()
                    return
        self.stats.timeouts["write"] += 1
        raise asyncio.CancelledError

    async def pause(self, seconds: float) -> None:
        """Let time pass, and notice meanwhile when the connection is lost."""
        if self.closed is None:
            self.closed = asyncio.ensure_future(self.writer.wait_closed())
            self.closed.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({self.closed}, timeout=seconds)

    async def close(self, action: Close) -> None:
        """Send what is left, and let the client read it."""
        if action.error is not None:
            log_failure(logger, "a command failed, its client was told and closed", action.error)
        if self.log:
            self.log.end()
        if self.reader.at_eof():
            self.writer.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.settings.timeout_write or None):
                    await self.writer.wait_closed()
        else:
            await see_off(self.reader, self.writer)


async def see_off(reader: StreamReader, writer: StreamWriter, last: bytes = b"") -> None:
    """Say the last word, then read away what the client still says, so that it hears it."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(LINGER):
            writer.write(last)
            writer.write_eof()
            while await reader.read(READ_SIZE):
                pass
    writer.close()


MODEL = Model(
    "streams", Streams, "asyncio.start_server, readline, drain: the tutorial's way", __doc__
)

if __name__ == "__main__":
    MODEL.main()
