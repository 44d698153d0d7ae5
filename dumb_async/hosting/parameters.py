"""Types of options: what a command line says, read and in its range.

Each reads text with a function of `units`, and says in one line what is wrong with it.
"""

from collections.abc import Callable
from typing import Any

import click

from .units import read_count, read_duration, read_number, read_size


class Parsed(click.ParamType[Any]):
    """What a function reads, which raises `ValueError` for what it can not."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read ``value``, unless that was done."""
        return _read(self, self._read, value, param, ctx)


class Number(click.FloatRange):
    """Any number: as `read_number` has it, in a range."""

    name = "N"
    read: Callable[[str], float] = staticmethod(read_number)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read ``value``, unless that was done; see that it is in the range."""
        return super().convert(_read(self, type(self).read, value, param, ctx), param, ctx)


class Duration(Number):
    """Seconds: as `read_duration` has them, in a range."""

    name = "DURATION"
    read = staticmethod(read_duration)


class Count(click.IntRange):
    """A whole number: as `read_count` has it, in a range."""

    name = "N"
    read: Callable[[str], int] = staticmethod(read_count)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read ``value``, unless that was done; see that it is in the range."""
        return super().convert(_read(self, type(self).read, value, param, ctx), param, ctx)


class Size(Count):
    """Bytes: as `read_size` has them, in a range."""

    name = "SIZE"
    read = staticmethod(read_size)


def _read_port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise ValueError(f"{text!r} is not the number of a port")
    return int(text)


class Port(Count):
    """The number of a port, in ASCII digits."""

    name = "PORT"
    read = staticmethod(_read_port)


def _read(
    kind: click.ParamType[Any],
    read: Callable[[str], Any],
    value: Any,
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return read(value)
    except ValueError as error:
        kind.fail(f"{error}.", param, ctx)
