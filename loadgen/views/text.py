"""Text that others wrote, and consoles that take it for nothing but text."""

from rich.console import Console


def console_for(*, stderr: bool = False) -> Console:
    """Return a console for which nothing in a text is markup, and no :word: a picture."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def plain(text: str) -> str:
    """Return ``text`` with what cannot be seen escaped: it does nothing to a terminal."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def quoted(text: str) -> str:
    """Return what somebody said, between quotes, with what cannot be seen escaped."""
    return f"'{plain(text)}'"
