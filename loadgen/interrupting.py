"""Being interrupted: by Ctrl-C, SIGTERM, or a terminal that closes (SIGHUP), all in the same way.

    interruptible ── a signal raises `KeyboardInterrupt`, at once
         keep     ── there is something to lose: from here on it waits ...
    interruptible ── ... for a block like this, where nothing is lost by it

So a result that there is cannot be lost between two lines of a program. Only `heeding` makes it so;
without it, as in a program that calls `conduct`, an interrupt is what Python takes it for.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from time import monotonic
from types import FrameType
from typing import Final, NoReturn

from dumb_async.starting import ENDING

__all__ = ["SIGNALS", "STATUS", "heeding", "interruptible", "keep", "kept"]

SIGNALS: Final = ENDING
#: The exit status of a program that was interrupted.
STATUS: Final = 130
#: Seconds in which several signals are one: timeout(1) and many supervisors signal a process, and
#: its group once more.
BURST: Final = 0.1
#: Seconds after which who has not come to an end by itself is stuck, as on a pipe that is not read.
PATIENCE: Final = 10.0


class _State:
    """Of the process, which has its signals once."""

    raising = False  # whether a signal is to raise
    pending = False  # whether one waits for that
    last = -inf  # when the last came


@contextmanager
def heeding() -> Iterator[None]:
    """For the main thread of a program: in this block signals interrupt it, and after it no more.

    Those that are ignored stay so: by nohup(1), or by a shell for its background jobs.
    """
    heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    signal.signal(signal.SIGALRM, _give_up)
    for number in heeded:
        signal.signal(number, _hear)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # whatever our parent does
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def interruptible() -> Iterator[None]:
    """In this block an interrupt raises `KeyboardInterrupt`, and so does one that came before."""
    before = _State.raising
    try:
        _raise_from_here_on()
        yield
    finally:
        _State.raising = before


def keep() -> None:
    """From here on, to the end of the block one is in, interrupts wait for `interruptible`."""
    _State.raising = False


@contextmanager
def kept() -> Iterator[None]:
    """In this block no interrupt raises; one that came raises at its end, if it would have before.

    For what must be done whole, such as to read a message.
    """
    before = _State.raising
    keep()
    try:
        yield
    finally:
        if before:
            _raise_from_here_on()


def _raise_from_here_on() -> None:
    _State.raising = True
    if _State.pending:
        _State.pending = _State.raising = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise KeyboardInterrupt


def _hear(_number: int, _frame: FrameType | None) -> None:
    now = monotonic()
    again, _State.last = now - _State.last < BURST, now
    if again:
        return
    if _State.raising:
        _State.raising = False  # once: what it makes us do is not to be interrupted
        raise KeyboardInterrupt
    _State.pending = True
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)


def _give_up(_number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(STATUS)
