"""Runtimes by name: one module each, imported only when it is asked for."""

import asyncio
import importlib
import sys
from collections.abc import Callable
from typing import Final

from .base import Event, OnLost, Runtime, RuntimeStream, TaskGroup

__all__ = [
    "NAMES",
    "Event",
    "OnLost",
    "Runtime",
    "RuntimeStream",
    "TaskGroup",
    "current",
    "load",
    "resolve",
]

#: Name -> module of this package and what to call in it.
_WHERE: Final = {
    "asyncio": ("asyncio_", "AsyncioRuntime"),
    "uvloop": ("uvloop_", "UvloopRuntime"),
    "trio": ("trio_", "TrioRuntime"),
    "anyio-asyncio": ("anyio_", "AnyioAsyncio"),
    "anyio-uvloop": ("anyio_", "AnyioUvloop"),
    "anyio-trio": ("anyio_", "AnyioTrio"),
}

#: Every runtime there is.
NAMES: Final = tuple(_WHERE)


def resolve(name: str) -> str:
    """Turn ``auto`` into uvloop where it can be imported, else asyncio; other names stay."""
    if name != "auto":
        return name
    try:
        importlib.import_module(".uvloop_", __name__)
    except ImportError:  # it is only faster
        return "asyncio"
    return "uvloop"


def load(name: str) -> Runtime:
    """Return the runtime called ``name``, one of `NAMES` or ``auto``.

    :raises ValueError: if there is none of that name.
    :raises ImportError: if its package is not installed.
    """
    name = resolve(name)
    if name not in _WHERE:
        raise ValueError(f"unknown runtime {name!r}: choose auto, {', '.join(NAMES)}")
    module, attribute = _WHERE[name]
    make: Callable[[], Runtime] = getattr(
        importlib.import_module(f".{module}", __name__), attribute
    )
    return make()


def current() -> Runtime:
    """Return the runtime for the event loop that this coroutine runs on.

    :raises RuntimeError: outside of any.
    """
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return load("trio")
    loop = asyncio.get_running_loop()
    return load("uvloop" if type(loop).__module__.partition(".")[0] == "uvloop" else "asyncio")
