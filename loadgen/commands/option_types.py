"""Types of options: each reads text, and says in one line what is wrong with it."""

from collections.abc import Callable
from typing import Any

import click

from dumb_async.hosting import read_cpus

from ..engine import Target
from ..engine.dialer import sources_between
from ..plan import Mix, Profile, Share, Think, duration, quantity
from ..results import Threshold


class Parsed(click.ParamType[Any]):
    """What a function reads, which raises `ValueError` for what it can not."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read ``value``, unless that was done."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _positive(read: Callable[[str], float]) -> Callable[[str], float]:
    def checked(text: str) -> float:
        value = read(text)
        if not value:
            raise ValueError(f"{text!r} is not more than 0")
        return value

    return checked


def _count(text: str) -> int:
    value = quantity(text)
    if value != int(value):
        raise ValueError(f"{text!r} is not a whole number")
    return int(value)


def _target(text: str) -> Target:
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} is not HOST:PORT")
    return Target(host, int(port))


DURATION = Parsed("DURATION", duration)
TIMEOUT = Parsed("DURATION", _positive(duration))
COUNT = Parsed("N", _count)
MANY = Parsed("N", lambda text: int(_positive(_count)(text)))
RATE = Parsed("N", _positive(quantity))
MIX = Parsed("MIX", Mix.parse)
THINK = Parsed("DURATION", Think.parse)
STAGES = Parsed("STAGES", Profile.parse)
SHARE = Parsed("K/N", Share.parse)
TARGET = Parsed("HOST:PORT", _target)
THRESHOLD = Parsed("THRESHOLD", Threshold.parse)
SOURCES = Parsed("A-B", lambda text: tuple(sources_between(text)) if text else ())
CPUS = Parsed("LIST", lambda text: read_cpus(text) if text else ())
