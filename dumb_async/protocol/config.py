"""What all connections of a server have in common, worked out once."""

from collections.abc import Callable
from typing import Final

from .actions import Send
from .foreign import TLS_RECORD
from .service import Service

#: A constant reply over this length, in bytes, is answered like any other, one by one.
LONGEST_CONSTANT: Final = 256


#: Reads that are remembered, and how often a line is repeated in one at the most: so this takes
#: less than a mebibyte.
MOST_READS: Final = 1024
LONGEST_RUN: Final = 128
#: Seconds after which a turn begins no further request: what a slice of CPU work takes.
TURN: Final = 0.000_25


class Config:
    """What all connections of a server have in common.

    :param service: the commands.
    :param limit_line: longest line in bytes, its end not counted; 1 or more.
    :param limit_pipeline: requests answered before others have their turn; 1 or more.
    :param limit_turn: seconds after which no further request is begun before others have
        their turn.
    :param clock: tells seconds, from whenever on; without one a turn has no limit in time.
    """

    __slots__ = (
        "clock",
        "commands",
        "constants",
        "labels",
        "limit_line",
        "limit_pipeline",
        "limit_turn",
        "reads",
    )

    def __init__(
        self,
        service: Service,
        *,
        limit_line: int = 1024,
        limit_pipeline: int = 256,
        limit_turn: float = TURN,
        clock: Callable[[], float] = float,
    ) -> None:
        if limit_line < 1 or limit_pipeline < 1 or not limit_turn > 0:
            raise ValueError("limits are 1 or more, that of a turn is more than 0")
        self.clock = clock
        self.limit_turn = limit_turn
        self.limit_line = limit_line
        self.limit_pipeline = limit_pipeline
        self.commands = dict(service.commands)
        #: Lines that have a constant reply, and the label each is counted under.
        self.constants: dict[bytes, bytes] = {}
        self.labels: dict[bytes, str] = {}
        #: Whole reads of one such line, or of runs of it that were seen before: under which
        #: label how many are counted, and the reply.
        self.reads: dict[bytes, tuple[str, int, Send]] = {}
        for verb, reply in service.constants.items():
            if len(verb) <= limit_line and len(reply) <= LONGEST_CONSTANT:
                label = self.commands[verb].label
                for line in (verb, verb + b"\r"):
                    self.constants[line], self.labels[line] = reply, label
                    self.reads[line + b"\n"] = label, 1, Send(reply)

    def is_too_long(self, line: bytes | bytearray) -> bool:
        """Whether a line, or what there is of it, is over the limit, and of this protocol."""
        limit = self.limit_line
        too_long = len(line) > limit and len(line) - line.endswith(b"\r") > limit
        return too_long and not line.startswith(TLS_RECORD)

    def is_certain(self, tail: bytes | bytearray) -> bool:
        """Whether the answer to an unfinished line is known already: it is refused."""
        return tail.startswith(TLS_RECORD) or self.is_too_long(tail)

    def remember_run(self, read: bytes, line: bytes, times: int) -> None:
        """Remember that ``read`` is a known ``line``, so often: who pipelines does so again."""
        if times <= min(self.limit_pipeline, LONGEST_RUN) and len(self.reads) < MOST_READS:
            label, _, reply = self.reads[line]
            self.reads[read] = label, times, Send(reply.data * times)
