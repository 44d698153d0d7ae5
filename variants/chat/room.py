r"""A chat room, sans-IO: what one says goes to all others.

    Welcome chat user no. 2!\n      to the second one who comes in
    [User 2]: hello\n               to all others, when the second says "hello\n"

A `Member` is a core as `dumb_async.protocol.Connection` is, and any driver that can drive
the one can drive the other. The difference: it has something to say though its own client
has asked nothing. It then prods its driver, which asks it for the next action.

Rules:

* Whoever reads slowly blocks nobody. What waits for a member is bounded; over that the
  member is dropped, and its backlog with it.
* A message is made once, however many get it, and waits as a reference.
* A flood of messages is passed on in slices, each of them short.
* When the room closes, everybody stays until everybody has said all that was on its way.
* Whoever begins with HTTP, TLS or SSH is told so and closed, and nobody else hears of it.
"""

import itertools
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Final

from dumb_async.hosting import Connect, Settings
from dumb_async.protocol import (
    LINE_TOO_LONG,
    NEED_DATA,
    TLS_RECORD,
    WRONG_PROTOCOL,
    Action,
    Close,
    Compute,
    NeedData,
    Send,
    Sleep,
    protocol_of,
)

#: Bytes that may wait for a member who does not read.
LONGEST_BACKLOG: Final = 262_144
#: Bytes of messages joined into one write.
SEND_SIZE: Final = 65_536
#: Writes to a member after which it is heard, though there is more to write: so rarely that its
#: readers have the time to take what it says.
SENDS: Final = 2
#: Seconds between two looks, of one who has said all, whether the others have when the room closes.
LOOK_INTERVAL: Final = 0.01
#: Deliveries of one slice: messages times members. Some 0.3 microseconds each.
SLICE: Final = 2_000

Counts = MutableMapping[str, int]


class Room:
    """Everybody who is in.

    :param longest_backlog: bytes that may wait for one member; 1 or more.
    """

    #: Under what is counted: messages said, lines over the limit, members dropped because
    #: they did not read.
    labels = ("message", "too_long", "dropped")

    def __init__(self, *, longest_backlog: int = LONGEST_BACKLOG) -> None:
        if longest_backlog < 1:
            raise ValueError("a backlog has 1 byte or more")
        self.longest_backlog = longest_backlog
        self.members: dict[int, Member] = {}
        self._closing = False
        self._speakers: set[int] = set()  # those who have not said all
        self._numbers = itertools.count(1)

    def connector(self, settings: Settings) -> Connect:
        """What makes a member of each new connection."""

        def connect(counts: Counts, prod: Callable[[], object]) -> Member:
            return self.join(counts, prod, limit_line=settings.limit_line)

        return connect

    def join(
        self, counts: Counts, prod: Callable[[], object], *, limit_line: int = 1024
    ) -> "Member":
        """Let somebody in.

        :param counts: where messages are counted; has the room's `labels`.
        :param prod: called whenever there is something to say to this member, unasked.
        :param limit_line: longest message, in bytes without its end.
        """
        member = Member(self, next(self._numbers), counts, prod, limit_line)
        self.members[member.number] = member
        self._speakers.add(member.number)
        member.post(b"Welcome chat user no. %d!\n" % member.number)
        return member

    def say(self, speaker: "Member", text: bytes) -> None:
        """Pass on what ``speaker`` has said to everybody else."""
        message = b"[User %d]: %s\n" % (speaker.number, text)
        for member in list(self.members.values()):
            if member is not speaker:
                member.post(message)

    def leave(self, member: "Member") -> None:
        """Let a member go; the numbers of others stay theirs."""
        self.members.pop(member.number, None)
        self.hush(member)

    def stop(self) -> None:
        """Close the room: nobody comes in any more, and the input of all who are in ends."""
        self._closing = True

    def hush(self, member: "Member") -> bool:
        """Note that a member has said all; return whether it need not stay to hear others."""
        self._speakers.discard(member.number)
        return not (self._closing and self._speakers)


class Member:
    """One client of the room; made by `Room.join`."""

    __slots__ = (
        "_backlog",
        "_counts",
        "_deaf",
        "_end",
        "_heard",
        "_limit_line",
        "_lines",
        "_outbox",
        "_prod",
        "_reason",
        "_room",
        "_sends",
        "_tail",
        "number",
    )

    def __init__(
        self, room: Room, number: int, counts: Counts, prod: Callable[[], object], limit_line: int
    ) -> None:
        self.number = number
        self._room = room
        self._counts = counts
        self._prod = prod
        self._limit_line = limit_line
        self._tail = b""  # an unfinished line
        self._lines: deque[bytes] = deque()  # said, and not passed on yet
        self._outbox: deque[bytes] = deque()
        self._backlog = 0  # bytes in it
        self._deaf = False  # nothing more is heard of it
        self._sends = 0  # since it was last heard
        self._end = False  # Close comes once the outbox is empty
        self._heard = False  # its first line was
        self._reason = ""  # why it is turned away

    @property
    def settled(self) -> bool:
        """Whether `next_action` is known to say NEED_DATA."""
        return not (self._outbox or self._lines or self._deaf)

    @property
    def unfinished(self) -> bool:
        """Whether a line has begun and its end is still to come."""
        return bool(self._tail)

    def post(self, message: bytes) -> None:
        """Put a message where its client will find it; drop a member who lets them pile up."""
        if self._deaf and self._end:
            return
        self._backlog += len(message)
        if self._backlog > self._room.longest_backlog:
            self._counts["dropped"] += 1
            self._outbox.clear()
            self._lines.clear()
            self._leave()
        else:
            self._outbox.append(message)
        if len(self._outbox) <= 1:  # else it is prodded already
            self._prod()

    def receive_data(self, data: bytes) -> None:
        """Take in what the client says."""
        if self._deaf:
            return
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            self._hear(line.removesuffix(b"\r"))
        if len(self._tail) - self._tail.endswith(b"\r") > self._limit_line or (
            not self._heard and self._tail.startswith(TLS_RECORD)
        ):
            self._hear(self._tail)

    def receive_eof(self) -> None:
        """Take in that the client has said all; what was posted to it is still sent."""
        self._tail = b""
        self._deaf = True
        if not self._lines and self._room.hush(self):
            self._leave()

    def next_action(self) -> Action | NeedData:
        """What is to be done for this client now."""
        # To somebody who is talked to without pause there is always more to say.
        if self._lines and (not self._outbox or self._sends >= SENDS):
            self._sends = 0
            return Compute(self._pass_on)
        if self._outbox:
            self._sends += 1
            return Send(self._take())
        self._sends = 0
        if not self._deaf:
            return NEED_DATA
        if not self._end and self._room.hush(self):
            self._leave()
        return Close(reason=self._reason) if self._end else Sleep(LOOK_INTERVAL)

    def compute(self, action: Compute) -> None:
        """Pass on a slice of what was said."""
        action.run()

    def abandon(self) -> None:
        """The connection is lost: leave."""
        self._lines.clear()
        self._outbox.clear()
        self._leave()

    def _hear(self, line: bytes) -> None:
        if self._deaf:
            return
        # No more of it than is there when it is found to be over the limit.
        protocol = None if self._heard else protocol_of(line[: self._limit_line + 1])
        self._heard = True
        if protocol is not None:
            self._turn_away(protocol)
            return
        self._lines.append(line)
        if len(line) > self._limit_line:
            self._tail = b""
            self._deaf = True

    def _turn_away(self, protocol: str) -> None:
        """It is none of ours: it is told, and all it says beyond is ignored."""
        self._tail = b""
        self._reason = protocol
        self._outbox.append(WRONG_PROTOCOL)
        self._backlog += len(WRONG_PROTOCOL)
        self._leave()

    def _pass_on(self) -> None:
        """Pass on so much of what was said that nobody has to wait for long."""
        others = max(len(self._room.members), 1)
        # So little that all others may do the same before any of them has a turn to write.
        left = self._room.longest_backlog // (4 * others)
        for _ in range(max(SLICE // others, 1)):
            if not self._lines or left < 0:
                break
            line = self._lines.popleft()
            left -= len(line) + 16
            if len(line) > self._limit_line:
                self._counts["too_long"] += 1
                self._outbox.append(LINE_TOO_LONG)
            else:
                self._counts["message"] += 1
                self._room.say(self, line)
        if self._deaf and not self._lines and self._room.hush(self):
            self._leave()

    def _take(self) -> bytes:
        """Take messages out of the outbox, as many as make one write."""
        taken, size = [], 0
        while self._outbox and size < SEND_SIZE:
            taken.append(self._outbox.popleft())
            size += len(taken[-1])
        self._backlog -= size
        return b"".join(taken)

    def _leave(self) -> None:
        self._deaf = self._end = True
        self._room.leave(self)
