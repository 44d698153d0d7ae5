"""Waits that runtimes have in common."""

from collections.abc import Awaitable, Callable
from time import monotonic


async def call_when_readable(
    wait_readable: Callable[[int], Awaitable[None]], fd: int, callback: Callable[[], object]
) -> None:
    """Call ``callback`` whenever ``fd`` is readable, until cancelled.

    Nothing is registered between two waits: that is how trio and anyio have it.
    """
    while True:
        await wait_readable(fd)
        callback()


async def sleep_until(sleep: Callable[[float], Awaitable[None]], due: float) -> None:
    """Sleep until ``due`` on the monotonic clock, never less; always a checkpoint.

    libuv counts in whole milliseconds from a clock read once per turn, so a timer of uvloop
    can fire a millisecond early.
    """
    while True:
        await sleep(max(due - monotonic(), 0))
        if monotonic() >= due:
            return
