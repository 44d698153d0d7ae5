"""Standard output and error that take whatever is written to them, so that no result is lost by it.

An encoding that lacks a character, a reader who has gone, a full disk: none of them ends a run.
"""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, TextIO

_REPLACING: Final = "dumb_async.loadgen.replacing"
#: What stands for characters of ours where an encoding has none; ? for any other.
_PLAIN: Final = {
    "µ": "u", "≤": "<=", "≥": ">=", "◀": "<", "▶": ">",
    "\N{EN DASH}": "-", "━": "-", "╸": "-", "╺": "-",
    "█": "#", "▉": "#", "▊": "#", "▋": "#", "▌": "|", "▍": "|", "▎": "|", "▏": "|",
}  # fmt: skip


class Forgiving(io.TextIOBase):
    """A text stream upon another.

    What the other cannot encode is replaced. Once it takes nothing more, the rest is dropped.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        #: Why it takes nothing more, unless its reader has gone, which is nobody's fault.
        self.error: OSError | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the other."""
        return self._stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        """Write, replace, or drop."""
        encoded = text.encode(self.encoding, _REPLACING)
        with self._forgiving():
            self._stream.write(encoded.decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        """Likewise. It may be asked for by the garbage collector, when the other is closed."""
        if not self._stream.closed:
            with self._forgiving():
                self._stream.flush()

    def isatty(self) -> bool:
        """Whether the other is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The other's."""
        return self._stream.fileno()

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._drop()
        except OSError as error:
            self.error = error
            self._drop()

    def _drop(self) -> None:
        """Let what it still holds, and what follows, go nowhere; see "Note on SIGPIPE" in `signal`.

        Else Python would try once more at its end, and complain.
        """
        with suppress(OSError):  # it may have no descriptor
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)


@contextmanager
def forgiving() -> Iterator[Forgiving]:
    """Have `sys.stdout` and `sys.stderr` be such in this block; gives that for the output."""
    before = sys.stdout, sys.stderr
    out, err = (Forgiving(stream) for stream in before)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        sys.stdout, sys.stderr = before


def _replace(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in missing), error.end


codecs.register_error(_REPLACING, _replace)
