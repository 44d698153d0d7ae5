"""What a loop waits for, whatever it is: a client, a listener, the stop event."""

import enum
from collections.abc import Callable
from typing import Any, Protocol


class State(enum.Enum):
    """What something with a descriptor waits for."""

    READING = "until there is something to read"
    WRITING = "until the client takes more of its reply"
    BUSY = "for its time or its turn; of the descriptor it wants to hear of errors alone"
    LINGERING = "until the client ends, after the last reply"
    CLOSED = "for nothing more"


class EventHandler(Protocol):
    """Something that waits for its descriptor, for its time or for its turn.

    Its `state` says which. A loop calls `ready` or `resume` and looks at the state that comes
    back; at CLOSED it forgets the descriptor, then calls `close`.
    """

    fd: int
    state: State
    timer: list[Any] | None  # kept by `timers.TimerQueue`

    def ready(self) -> State:
        """Go on, as the descriptor is ready for what was waited for, or has an error."""

    def resume(self) -> State:
        """Go on, as the time has come, or the turn."""

    def close(self) -> None:
        """Let go of everything."""


#: Tells a loop of a new event handler.
Register = Callable[[EventHandler], object]
