"""asyncio on uvloop, an event loop on libuv."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

import uvloop

from .asyncio_ import AsyncioRuntime
from .waiting import sleep_until

T = TypeVar("T")


class UvloopRuntime(AsyncioRuntime):
    """asyncio with uvloop's loop, by ``loop_factory``: no policy is touched."""

    name = "uvloop"

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        return self._run(main, uvloop.new_event_loop)

    async def sleep(self, seconds: float) -> None:
        await sleep_until(asyncio.sleep, monotonic() + seconds)
