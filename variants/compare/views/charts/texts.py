"""Text in charts: shown as it is, whatever is in it."""

import textwrap
from collections.abc import Iterable
from html import escape
from typing import Final

#: For traces whose ``customdata`` is all that appears under the mouse.
HOVER: Final = "%{customdata}<extra></extra>"
#: Characters of a name that an axis has room for.
_ROOM: Final = 18
#: Characters of a line under the mouse.
_WIDTH: Final = 64


def plain(text: str) -> str:
    """Have Plotly show a text as it is."""
    return escape(text, quote=False)


def short(name: str) -> str:
    """A name as an axis and a legend show it."""
    return plain(name if len(name) <= _ROOM else f"{name[: _ROOM - 1]}…")


def hover(title: str, lines: Iterable[str]) -> str:
    """A text that appears under the mouse."""
    return f"<b>{plain(title)}</b>{below(lines)}"


def below(lines: Iterable[str]) -> str:
    """More lines of such a text."""
    wrapped = (part for line in lines for part in textwrap.wrap(line, _WIDTH))
    return "".join(f"<br>{plain(part)}" for part in wrapped)
