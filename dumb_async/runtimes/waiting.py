"""What trio and anyio have in common: a wait, and nothing registered between two waits."""

from collections.abc import Awaitable, Callable


async def call_when_readable(
    wait_readable: Callable[[int], Awaitable[None]], fd: int, callback: Callable[[], object]
) -> None:
    """Call ``callback`` whenever ``fd`` is readable, until cancelled."""
    while True:
        await wait_readable(fd)
        callback()
