"""Keeping Ctrl-C from children: the terminal signals all of them, and only we are meant."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def sheltered() -> Iterator[None]:
    """Processes that are started in this block hear of no SIGINT, unless they ask to.

    What a thread blocks its children and its threads inherit (signal(7)).
    """
    resource_tracker.ensure_running()  # at its start it would let the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
