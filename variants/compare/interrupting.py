"""Being ended: like Ctrl-C, so that servers are stopped and what was measured is kept."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[None]:
    """In this block `KeyboardInterrupt` is what a SIGTERM or a closed terminal is."""
    before: dict[signal.Signals, Any] = {
        one: signal.signal(one, signal.default_int_handler) for one in _SIGNALS
    }
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
