"""Being ended: like Ctrl-C, so that servers are stopped and what was measured is kept."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_OTHERS: Final = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[None]:
    """In this block `KeyboardInterrupt` is what a SIGTERM or a closed terminal is."""
    before = {one: signal.signal(one, signal.default_int_handler) for one in _OTHERS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Whoever interrupts this block does so when it is over.

    `signal.pthread_sigmask` would do, did processes that are started here not inherit it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no other thread is interrupted
        return
    came: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before = {one: signal.signal(one, remember) for one in (signal.SIGINT, *_OTHERS)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        if came:
            signal.raise_signal(came[0])
