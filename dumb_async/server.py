"""The server: the tree of tasks, from the first connection to the last.

    serve
    ├── resets, time                  end last
    └── connections                   a task for each client, see `handler`
        └── accept loop, per listener ends first

To stop, the tree is taken down from its leaves: no more connections are accepted, every
client's input is ended as if the client had done it, what was asked is answered until
the deadline, and what is left is cancelled.
"""

import socket
from contextlib import ExitStack
from typing import Any, Final, Protocol

from .commands import dumb_service
from .context import ServerContext
from .hosting import (
    Connect,
    Cores,
    Settings,
    Stats,
    connect_to,
    open_listeners,
    stop_service,
)
from .listener import Clients, accept
from .protocol import Service
from .runtimes import Event, Runtime, current
from .timeouts import keep_time

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
        self.service = dumb_service() if service is None else service
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
            context = ServerContext(runtime, self.connect, self.settings, self.stats)
            closing.callback(context.resets.close)
            try:
                async with runtime.task_group() as background:
                    ends = (
                        background.start_soon(keep_time, runtime, context.deadlines, self.stats),
                        background.start_soon(context.resets.run, runtime),
                    )
                    async with runtime.task_group() as connections:
                        clients = Clients(context, runtime, connections)
                        task_status.started(addresses)
                        await self._accept(runtime, clients)
                        await self._drain(runtime, context, clients)
                    for end in ends:
                        end()
            finally:
                await context.aclose()

    def stop(self) -> None:
        """Stop: the first time gracefully, the second time at once.

        To be called on the event loop that serves, not from another thread.
        """
        self._stops += 1
        if self._stopping is not None:
            self._stopping.set()
        if self._over is not None and self._stops > 1:
            self._over.set()

    async def _accept(self, runtime: Runtime, clients: Clients) -> None:
        assert self._stopping is not None
        async with runtime.task_group() as accepting:
            ends = [
                accepting.start_soon(accept, runtime, clients, listener)
                for listener in self._listeners
            ]
            if not self._stops:
                await self._stopping.wait()
            for end in ends:
                end()
        for listener in self._listeners:  # who had connected before is served too
            clients.acceptor.accept_rest(listener, self.settings.backlog)

    async def _drain(self, runtime: Runtime, context: ServerContext, clients: Clients) -> None:
        assert self._over is not None
        stop_service(self.service)
        clients.end_input()
        context.when_empty = self._over.set
        if not context.sessions:
            self._over.set()
        await runtime.within(self.settings.timeout_graceful, self._over.wait)
        clients.cancel()


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

    It takes as many clients as the process's soft limit of descriptors allows, and leaves that
    as it is: `dumb_async.hosting.raise_descriptor_limit` raises it.

    :param options: the fields of `Settings`.
    :param task_status: told the bound addresses, a list of (host, port), as soon as
        clients can connect.
    :raises OSError: if an address cannot be listened on.
    """
    await Server(service, **options).serve(task_status=task_status)
