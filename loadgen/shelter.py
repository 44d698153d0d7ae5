"""Keeping signals from children: a terminal, or a supervisor, signals all of us, and means us."""

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing import resource_tracker

from dumb_async.starting import masked

from .interrupting import SIGNALS


def blocked() -> AbstractContextManager[None]:
    """In such a block no signal is delivered to this thread: they come after it."""
    return masked(signal.SIG_BLOCK, SIGNALS)


@contextmanager
def sheltered() -> Iterator[None]:
    """Processes that are started in this block hear of no signal that ends us, unless they ask to.

    What a thread blocks its children and its threads inherit (signal(7)).
    """
    with blocked():
        resource_tracker.ensure_running()  # at its start it lets some through again
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        yield


def be_deaf() -> None:
    """Ignore such signals: for a process that somebody started `sheltered`, and will end."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
