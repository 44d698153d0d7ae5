"""What a client expects of a reply, and the matcher that checks it as it comes in."""

from dataclasses import dataclass
from enum import Enum

from .replies import REFUSALS

#: Length of the longest line taken for a reply when its text is not known beforehand.
LONGEST_LINE = 65536
_FIRST_OF_REFUSALS = frozenset(refusal[:1] for refusal in REFUSALS)
_LONGEST_REFUSAL = max(map(len, REFUSALS))


class Outcome(Enum):
    """How a reply compares with what was expected."""

    OK = "ok"
    #: One of the protocol's error replies where another reply was expected.
    REFUSED = "refused"
    #: Anything else: the stream cannot be trusted any more.
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Expected:
    """A reply: ``count`` times the byte ``filler``, then ``text``.

    :param text: the reply to the byte, its newline included; ``None``: any one line.
    :param filler: one byte that no refusal begins with: else a refusal that comes in pieces
        could not be told from it.
    :raises ValueError: for another filler.
    """

    text: bytes | None
    filler: bytes = b"A"
    count: int = 0

    def __post_init__(self) -> None:
        if len(self.filler) != 1 or self.filler in _FIRST_OF_REFUSALS:
            raise ValueError(f"the filler {self.filler!r} is not one byte, or begins a refusal")

    @classmethod
    def line(cls) -> "Expected":
        """Any one line."""
        return cls(None)


class Matcher:
    """Compares the bytes of one reply, in any chunks, with what was expected.

    Memory is bounded by the expected text: filler is counted, not kept.
    """

    __slots__ = ("_expected", "_filler_left", "_text")

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._filler_left = expected.count
        self._text = bytearray()

    @property
    def text(self) -> bytes:
        """What was received of the reply, its filler left out."""
        return bytes(self._text)

    def feed(self, data: bytes, start: int) -> tuple[int, Outcome | None]:
        """Match ``data[start:]``; return where the reply ends and how it came out.

        The outcome is ``None`` while bytes of the reply are still to come.
        """
        at = start + self._take_filler(data, start)
        outcome = None
        while outcome is None and at < len(data):
            at = self._take_line(data, at)
            outcome = self._judge()
        return at, outcome

    def _take_filler(self, data: bytes, start: int) -> int:
        piece = min(len(data) - start, self._filler_left)
        if self._text or data.count(self._expected.filler, start, start + piece) != piece:
            return 0  # not the filler: perhaps a refusal, which is matched as text
        self._filler_left -= piece
        return piece

    def _take_line(self, data: bytes, start: int) -> int:
        """Take bytes up to the end of a line, no more than can matter; return where it ends."""
        limit = start + self._longest() - len(self._text)
        newline = data.find(b"\n", start, limit)
        end = newline + 1 if newline >= 0 else min(len(data), limit)
        self._text += data[start:end]
        return end

    def _longest(self) -> int:
        text = self._expected.text
        return LONGEST_LINE if text is None else max(len(text), _LONGEST_REFUSAL)

    def _judge(self) -> Outcome | None:
        wanted, text = self._expected.text, self._text
        if wanted is not None and not self._filler_left and wanted.startswith(text):
            return Outcome.OK if len(text) == len(wanted) else None
        if text.endswith(b"\n"):
            untouched = self._filler_left == self._expected.count
            if untouched and bytes(text) in REFUSALS:
                return Outcome.REFUSED
            return Outcome.OK if wanted is None else Outcome.WRONG
        return Outcome.WRONG if len(text) >= self._longest() else None
