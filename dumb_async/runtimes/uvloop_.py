"""asyncio on uvloop, an event loop on libuv."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import uvloop

from .asyncio_ import AsyncioRuntime

T = TypeVar("T")


class UvloopRuntime(AsyncioRuntime):
    """asyncio with uvloop's loop, by ``loop_factory``: no policy is touched."""

    name = "uvloop"

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        return self._run(main, uvloop.new_event_loop)

    async def sleep(self, seconds: float) -> None:
        # libuv counts in whole milliseconds from a clock read once per turn, so a timer
        # can fire a millisecond early: sleep on until the time has really passed.
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        while seconds > 0:
            await asyncio.sleep(seconds)
            seconds = due - loop.time()
