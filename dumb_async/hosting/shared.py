"""What all sessions of a server have in common, and what each of them can wait for."""

import enum
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING

from ..protocol import Core
from .deadlines import Watch
from .settings import Settings
from .stats import Stats

if TYPE_CHECKING:
    from .session import Session

#: Makes the core of a new connection, from where its requests are counted and what is to
#: be called when it has something to say though nobody asked.
Connect = Callable[[MutableMapping[str, int], Callable[[], object]], Core]


class Phase(enum.Enum):
    """What a session waits for."""

    LISTENING = "the client's next bytes"
    WORKING = "its own work, its turn, or time to pass"
    STALLED = "the client to take its reply"
    LINGERING = "the client's end, after the last reply"
    CLOSED = "nothing more"


class Shared:
    """What all sessions of a server, or of one of its loops, have in common.

    :param connect: makes a core.
    :param prod: called with a session whose core has something to say though it listens.
    """

    __slots__ = ("connect", "deadlines", "prod", "settings", "stats")

    def __init__(
        self,
        connect: Connect,
        settings: Settings,
        stats: Stats,
        deadlines: Watch,
        prod: Callable[["Session"], object],
    ) -> None:
        self.connect = connect
        self.settings = settings
        self.stats = stats
        self.deadlines = deadlines
        self.prod = prod
