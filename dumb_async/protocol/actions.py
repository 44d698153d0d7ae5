"""What the core asks of its driver: a closed set that every driver must understand."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

#: Seconds, some thirty years: every clock and timer can still add it up.
LONGEST_SLEEP: Final = 10**9


@dataclass(frozen=True, slots=True)
class Send:
    """Write ``data`` to the client, all of it, before asking for the next action."""

    data: bytes

    def __post_init__(self) -> None:
        if not isinstance(self.data, bytes):
            raise TypeError(f"Send takes bytes, not {type(self.data).__name__}")


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let ``seconds``, from 0 to `LONGEST_SLEEP`, pass before asking for the next action."""

    seconds: float

    def __post_init__(self) -> None:
        # Written so that NaN, which compares false with everything, is refused too.
        if not 0 <= self.seconds <= LONGEST_SLEEP:
            raise ValueError(f"Sleep takes 0 to {LONGEST_SLEEP} seconds, not {self.seconds!r}")


class Compute:
    """Call ``function(*arguments)`` and hand its result back to the core.

    One slice of CPU work, of a millisecond at the most: a driver lets other clients
    have their turn between two slices. The function is plain, so that a driver may
    also run it in a thread, or in a process if function and arguments can be pickled.
    """

    __slots__ = ("arguments", "function")

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function = function
        self.arguments = arguments

    def run(self) -> Any:
        """Do the work here and now; raises whatever the function raises."""
        return self.function(*self.arguments)

    def __repr__(self) -> str:
        return f"Compute({self.function!r}, *{self.arguments!r})"


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection: nothing follows.

    ``error`` is the exception of a command that failed, for the driver to log, and
    ``None`` at every ordinary end. ``reason`` is why the client is turned away, to be counted;
    empty if it is not.
    """

    error: BaseException | None = None
    reason: str = ""


class NeedData(Enum):
    """The type of `NEED_DATA`."""

    NEED_DATA = "NEED_DATA"

    def __repr__(self) -> str:
        return self.name


#: Nothing can be done before more bytes, or the end of input, have come in.
NEED_DATA: Final = NeedData.NEED_DATA

Action = Send | Sleep | Compute | Close
