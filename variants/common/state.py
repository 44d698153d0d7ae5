"""What a loop waits for, whatever it is: a client, a listener, a bell."""

from collections.abc import Callable
from typing import Any, Protocol

from dumb_async.hosting import Phase


class Waiter(Protocol):
    """Something that waits for its descriptor, for its time or for its turn.

    Its `phase` says which: LISTENING and LINGERING wait until there is something to read,
    STALLED until something can be written, WORKING for neither, but for errors. A loop
    calls `ready` or `resume` and looks at the phase that comes back; at CLOSED it forgets
    the descriptor, then calls `close`.
    """

    fd: int
    phase: Phase
    nap: list[Any] | None  # kept by `dumb_async.hosting.Sleepers`

    def ready(self) -> Phase:
        """Go on, as the descriptor is ready for what was waited for, or has an error."""

    def resume(self) -> Phase:
        """Go on, as the time has come, or the turn."""

    def close(self) -> None:
        """Let go of everything."""


__all__ = ["Phase", "Waiter", "Watch"]

#: Tells a loop of a new waiter.
Watch = Callable[[Waiter], object]
