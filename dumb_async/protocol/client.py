"""The client's side of one connection: requests in, bytes out; bytes in, replies out.

Every reply is checked against its request while it comes in. The rules are those of
`Connection`: no socket, no clock, linear, bounded, the same under every chunking.
"""

from collections import deque
from dataclasses import dataclass

from .actions import NEED_DATA, NeedData
from .expectations import Expected, Matcher, Outcome
from .running import ProtocolError
from .service import Service


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to ``request`` is complete.

    ``text`` is the reply as it came, but for the filler of a long one. After an outcome
    of WRONG nothing more is matched.
    """

    request: bytes
    outcome: Outcome
    text: bytes


class Request:
    """A line to send, and what to expect: made once for a request that is sent often.

    :param line: without its end.
    :raises ValueError: if it has a newline in it.
    """

    __slots__ = ("answered", "expected", "line", "text", "wire")

    def __init__(self, line: bytes, expected: Expected) -> None:
        if b"\n" in line:
            raise ValueError("a request is one line, without its end")
        self.line = line
        self.expected = expected
        self.wire = line + b"\n"
        #: The reply to the byte, if it is short and known; else empty.
        self.text = b"" if expected.count else expected.text or b""
        self.answered = Reply(line, Outcome.OK, self.text)


@dataclass(frozen=True, slots=True)
class Closed:
    """The server has closed; ``unanswered`` requests have no reply, or an unfinished one.

    ``stray`` is what came in although nothing had been asked, such as SERVER_BUSY.
    """

    unanswered: int
    stray: bytes = b""


Event = Reply | Closed

#: Bytes kept of what came in without a request.
_STRAY = 64


class ClientConnection:
    """Pairs requests with their replies, in order.

    :param service: what to expect of each command, see `Service.expected`.
    """

    __slots__ = ("_at", "_broken", "_buffer", "_eof", "_matcher", "_service", "_stray", "_waiting")

    def __init__(self, service: Service) -> None:
        self._service = service
        self._waiting: deque[Request] = deque()
        self._matcher: Matcher | None = None
        self._buffer = b""  # what was read last, matched up to _at
        self._at = 0
        self._stray = b""
        self._eof = False
        self._broken = False

    def send(self, line: bytes) -> bytes:
        """Note that ``line`` (without its end) is asked; return the bytes to write.

        :raises ValueError: if it has a newline in it.
        """
        return self.ask(Request(line, self._service.expect(line)))

    def ask(self, request: Request) -> bytes:
        """Note that ``request`` is asked; return the bytes to write."""
        self._waiting.append(request)
        return request.wire

    def receive_data(self, data: bytes) -> None:
        """Take in what was read; ask `next_event` until it says NEED_DATA.

        :raises ProtocolError: after `receive_eof`.
        """
        if self._eof:
            raise ProtocolError("data after the end of input")
        if not self._broken:
            self._buffer = self._buffer[self._at :] + data if self._buffer else data
            self._at = 0

    def receive_reply(self, data: bytes) -> Reply | None:
        """Take in ``data`` if it is the one reply that is waited for, right and whole.

        It saves `receive_data` and two `next_event` where most replies are like that. ``None``:
        nothing was taken in.
        """
        waiting = self._waiting
        if len(waiting) != 1 or waiting[0].text != data:
            return None
        if not data or self._buffer or self._matcher or self._broken or self._eof:
            return None
        return waiting.popleft().answered

    def receive_eof(self) -> None:
        """Take in that the server has closed its side."""
        self._eof = True

    def next_event(self) -> Event | NeedData:
        """The next reply, `Closed` at the end of input, or NEED_DATA."""
        if self._buffer and self._waiting and not self._broken:
            reply = self._match()
            if reply is not None:
                return reply
        elif self._buffer:
            self._stray = (self._stray + self._buffer[self._at :])[:_STRAY]
            self._buffer = b""
        return Closed(len(self._waiting), self._stray) if self._eof else NEED_DATA

    @property
    def outstanding(self) -> int:
        """How many requests have no complete reply yet."""
        return len(self._waiting)

    def _match(self) -> Reply | None:
        """Match the oldest request against what was read; ``None`` if more is to come."""
        request = self._waiting[0]
        if self._matcher is None:
            if request.text and self._buffer.startswith(request.text, self._at):
                return self._answer(request)  # as most of the time: all of it, in one read
            self._matcher = Matcher(request.expected)
        self._at, outcome = self._matcher.feed(self._buffer, self._at)
        if self._at == len(self._buffer):
            self._buffer, self._at = b"", 0
        if outcome is None:
            return None
        text, self._matcher = self._matcher.text, None
        self._waiting.popleft()
        self._broken = outcome is Outcome.WRONG
        return Reply(request.line, outcome, text)

    def _answer(self, request: Request) -> Reply:
        self._at += len(request.text)
        if self._at == len(self._buffer):
            self._buffer, self._at = b"", 0
        self._waiting.popleft()
        return request.answered
