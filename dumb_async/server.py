"""The server: the tree of tasks, from the first connection to the last.

    serve
    ├── dispatcher, sleepers, deadlines, lag    end last
    └── connections                             one task per client that is worked for
        └── accept loop, per listener           ends first

To stop, the tree is taken down from its leaves: no more connections are accepted, every
client's input is ended as if the client had done it, what was asked is answered until
the deadline, and what is left is cancelled.
"""

import socket
from contextlib import ExitStack
from typing import Any, Final, Protocol

from .alarm import Alarm
from .commands import dumb_service
from .dispatcher import Dispatcher
from .handler import Handler
from .hosting import (
    BURST,
    PAUSE,
    REFUSALS_AT_A_TIME,
    Acceptor,
    Capacity,
    Connect,
    Cores,
    Deadlines,
    NoRoom,
    Session,
    Settings,
    Shared,
    Stats,
    connect_to,
    open_listeners,
    refuse_to_connect,
    session_type,
)
from .lag import measure_lag
from .protocol import Action, Service
from .runtimes import Event, Runtime, TaskGroup, current

Address = tuple[str, int]


class TaskStatus(Protocol):
    """What `trio.Nursery.start` and `anyio.abc.TaskGroup.start` pass to a task."""

    def started(self, value: list[Address], /) -> object:
        """The task is ready; ``value`` is handed to who started it."""


class _Ignored:
    def started(self, value: list[Address], /) -> None:
        """Nobody wants to know."""


TASK_STATUS_IGNORED: Final = _Ignored()


class Server:
    """A service, ready to be served once.

    :param service: the commands, or whatever else makes cores for connections (a chat room);
        `dumb_service` by default.
    :param options: the fields of `Settings`.
    :raises ValueError: if a setting is out of its range.
    :raises TypeError: if there is no such setting.
    """

    def __init__(self, service: Service | Cores | None = None, **options: Any) -> None:
        self.service = service or dumb_service()
        self.settings = Settings(**options)
        self.stats = Stats(self.service.labels)
        self.connect: Connect = connect_to(self.service, self.settings)
        self._stopping: Event | None = None
        self._over: Event | None = None
        self._stops = 0
        self._listeners: list[socket.socket] = []

    def listen(self) -> list[Address]:
        """Open the listening sockets, if they are not open; return their addresses.

        Called by `serve`; to call it before shows early that an address cannot be had.

        :raises OSError: if an address cannot be listened on.
        """
        if not self._listeners:
            settings = self.settings
            self._listeners = open_listeners(settings.host, settings.port, settings.backlog)
        return [listener.getsockname()[:2] for listener in self._listeners]

    def close(self) -> None:
        """Close the listening sockets; `serve` does so itself."""
        for listener in self._listeners:
            listener.close()

    async def serve(
        self,
        *,
        runtime: Runtime | None = None,
        task_status: TaskStatus = TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until told to `stop`; returns once every connection is closed.

        Cancelled, it closes everything at once, and nothing is left open.

        :param runtime: by default the one for the event loop at hand.
        :param task_status: told the bound addresses, a list of (host, port), as soon as
            clients can connect.
        :raises OSError: if an address cannot be listened on.
        :raises RuntimeError: the second time.
        """
        runtime = runtime or current()
        if self._stopping is not None:
            raise RuntimeError("a Server serves once: make another one")
        self._stopping, self._over = runtime.event(), runtime.event()
        if self._stops > 1:
            self._over.set()
        with ExitStack() as closing:
            addresses = self.listen()
            closing.callback(self.close)
            async with runtime.task_group() as background:
                async with runtime.task_group() as connections:
                    serving = _Serving(self, runtime, connections)
                    closing.callback(serving.dispatcher.close)
                    serving.start_background(background)
                    task_status.started(addresses)
                    try:
                        await self._accept(serving)
                        await self._drain(serving)
                    finally:
                        serving.over = True
                    connections.cancel()
                background.cancel()

    def stop(self) -> None:
        """Stop: the first time gracefully, the second time at once.

        To be called on the event loop that serves, not from another thread.
        """
        self._stops += 1
        if self._stopping is not None:
            self._stopping.set()
        if self._over is not None and self._stops > 1:
            self._over.set()

    async def _accept(self, serving: "_Serving") -> None:
        assert self._stopping is not None
        acceptor = serving.acceptor()
        async with serving.runtime.task_group() as accepting:
            for listener in self._listeners:
                accepting.start_soon(accept, serving.runtime, acceptor, listener)
            if not self._stops:
                await self._stopping.wait()
            accepting.cancel()
        for listener in self._listeners:
            for _ in range(min(self.settings.backlog, 65_536) // BURST + 1):
                acceptor.accept_burst(listener)  # who had connected before is served too
        self.close()

    async def _drain(self, serving: "_Serving") -> None:
        assert self._over is not None
        serving.dispatcher.drain(when_empty=self._over.set)
        with serving.runtime.cancel_scope(self.settings.timeout_graceful):
            await self._over.wait()


class _Serving:
    """The parts of a running server, put together."""

    def __init__(self, server: Server, runtime: Runtime, connections: TaskGroup) -> None:
        self.runtime = runtime
        self._stats = server.stats
        self._connections = connections
        self._waking, self._looking = Alarm(), Alarm()
        self._deadlines = Deadlines(self._looking.move)
        self.dispatcher = Dispatcher(server.stats, self._start, self._waking.move)
        self._shared = Shared(
            server.connect, server.settings, server.stats, self._deadlines, self.dispatcher.prod
        )
        self._session = session_type(server.settings)
        self._handler = Handler(runtime, self.dispatcher, server.stats)
        self._capacity = Capacity(server.settings)
        self._refusals = 0
        #: The tasks of connections are at their end: no more of them may be started.
        self.over = False

    def start_background(self, group: TaskGroup) -> None:
        group.start_soon(self.dispatcher.run, self.runtime)
        group.start_soon(self._waking.keep, self.runtime, self.dispatcher.sleepers)
        group.start_soon(self._looking.keep, self.runtime, self._deadlines)
        group.start_soon(measure_lag, self.runtime, self._stats)

    def acceptor(self) -> Acceptor:
        return Acceptor(self._stats, self._make_room, self._admit, self._refuse)

    def _make_room(self) -> None:
        try:
            self._capacity.check(len(self.dispatcher))
        except NoRoom:
            self.dispatcher.dispatch()  # let those go who have left already
            self._capacity.check(len(self.dispatcher))

    def _start(self, session: Session, action: Action) -> None:
        if self.over:
            self.dispatcher.remove(session)
        else:
            self._connections.start_soon(self._handler.handle, session, action)

    def _admit(self, sock: socket.socket) -> None:
        session = self._session(sock, self._shared)
        try:
            self.dispatcher.add(session)
        except BaseException:
            self.dispatcher.sleepers.discard(session)  # it may have been prodded
            session.let_go()  # the socket is closed by whoever accepted it
            raise
        self._stats.connections += 1

    def _refuse(self, sock: socket.socket) -> None:
        if self.over or self._refusals >= REFUSALS_AT_A_TIME:
            sock.close()
        else:
            session = Session(sock, self._shared, connect=refuse_to_connect)
            self._refusals += 1
            self._connections.start_soon(self._refuse_slowly, session)

    async def _refuse_slowly(self, session: Session) -> None:
        try:
            await self._handler.refuse(session)
        finally:
            self._refusals -= 1
            session.close()


async def accept(runtime: Runtime, acceptor: Acceptor, listener: socket.socket) -> None:
    """Accept until cancelled; no connection is lost by the cancellation."""
    while True:
        await runtime.wait_readable(listener.fileno())
        if not acceptor.accept_burst(listener):
            await runtime.sleep(PAUSE)


async def serve(
    service: Service | Cores | None = None,
    *,
    task_status: TaskStatus = TASK_STATUS_IGNORED,
    **options: Any,
) -> None:
    """Serve ``service`` inside a task group or nursery of your own, until cancelled.

    Runs on asyncio, uvloop and trio, with or without anyio:

        async with trio.open_nursery() as nursery:
            addresses = await nursery.start(serve, service)

    For a graceful stop make a `Server` and call its `stop`.

    Raises the process's soft limit of descriptors as far as it goes.

    :param options: the fields of `Settings`.
    :param task_status: told the bound addresses, a list of (host, port), as soon as
        clients can connect.
    :raises OSError: if an address cannot be listened on.
    """
    await Server(service, **options).serve(task_status=task_status)
