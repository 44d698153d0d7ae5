"""A run on a leash: it says when it is ready, and its standard input says when to begin.

So an agent on another machine is led, see `loadgen.dist`.
"""

import os
import signal
from threading import Thread
from time import monotonic, time
from typing import Final

import click

#: The line on standard error that says so.
READY: Final = "ready"
_LONGEST: Final = 64


def begin() -> float:
    """Say that all is ready; return when to begin, on the monotonic clock.

    The instant is read in Unix time, on a line. From then on the end of standard input
    interrupts the program: whoever holds it wants no more, or is gone.

    :raises KeyboardInterrupt: if that is its end already.
    """
    click.echo(READY, err=True)
    line = os.read(0, _LONGEST)
    if not line:
        raise KeyboardInterrupt
    Thread(target=_obey, daemon=True).start()
    return float(line) - time() + monotonic()


def _obey() -> None:
    while os.read(0, _LONGEST):
        pass
    os.kill(os.getpid(), signal.SIGTERM)  # a shell may have had us ignore SIGINT
