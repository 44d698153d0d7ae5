"""asyncio on uvloop, an event loop on libuv."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

import uvloop

from .asyncio_ import AsyncioRuntime, TransportStream
from .base import OnLost
from .sleeping import sleep_until

T = TypeVar("T")


class UvloopStream(TransportStream, asyncio.Protocol):
    """A client of libuv's transport, which allocates once and hands out what it has read."""

    __slots__ = ()


class UvloopRuntime(AsyncioRuntime):
    """asyncio with uvloop's loop, by ``loop_factory``: no policy is touched."""

    name = "uvloop"

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        return self._run(main, uvloop.new_event_loop)

    def stream(self, sock: socket.socket, on_lost: OnLost) -> TransportStream:
        return UvloopStream(sock, on_lost)

    async def sleep(self, seconds: float) -> None:
        await sleep_until(asyncio.sleep, monotonic() + seconds)
