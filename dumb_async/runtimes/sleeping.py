"""Timers of libuv, made as punctual as all others."""

from collections.abc import Awaitable, Callable
from time import monotonic


async def sleep_until(sleep: Callable[[float], Awaitable[None]], due: float) -> None:
    """Sleep until ``due`` on the monotonic clock, never less; always a checkpoint.

    libuv counts in whole milliseconds from a clock read once per turn, so a timer of uvloop
    can fire a millisecond early.
    """
    while True:
        await sleep(max(due - monotonic(), 0))
        if monotonic() >= due:
            return
