"""The first lines of a program, before it imports what takes its time.

Three things are to be right from there on. Descriptors 0, 1 and 2 are open, or what is opened first
would be taken for standard error. A signal ends the program as it should: quietly, with the status
of its kind. And process 1 of a container, whom the kernel protects from signals that it does not
handle, and who inherits every orphan (pid_namespaces(7)), is somebody who does nothing else.

Imports nothing of ours, and little of others (not even `typing`): a quarter of a second of imports
is yet to come.
"""

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = ["ENDING", "SIGNALS", "begin", "masked", "open_standard_descriptors", "started"]

#: What asks a program to stop.
SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: What ends one that does nothing about it: also a terminal that closes.
ENDING = (*SIGNALS, signal.SIGHUP)


@contextmanager
def masked(how: int, signals: Iterable[int]) -> Iterator[None]:
    """In this block the calling thread blocks signals, or lets them through.

    Threads and processes that are started in it do so too (signal(7)).

    :param how: as `signal.pthread_sigmask` takes it.
    """
    before = signal.pthread_sigmask(how, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin(status: int | None = None) -> None:
    """Begin a program: to be called in the main thread, before anything else.

    From here on SIGTERM, SIGINT and SIGHUP end the process without a word, as nothing is lost yet,
    until whoever has something to lose handles them. One that is ignored stays so: by nohup(1), or
    by a shell for its background jobs.

    :param status: to end with, ``None``: 128 and the number of the signal, as shells say it.
    """
    open_standard_descriptors()

    def end(number: int, _frame: object) -> None:
        os._exit(128 + number if status is None else status)

    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
    # Whatever our parent has blocked for itself.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    if os.getpid() == 1:
        _leave_to_a_child()


def started() -> None:
    """Have signals do again what they do by default; an interrupt is a `KeyboardInterrupt`."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            by_default = number == signal.SIGINT and signal.default_int_handler
            signal.signal(number, by_default or signal.SIG_DFL)


def open_standard_descriptors() -> None:
    """Open those of 0, 1 and 2 that are closed on /dev/null."""
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free
            os.set_inheritable(fd, True)
            setattr(sys, name, open(fd, mode, closefd=False))  # noqa: SIM115


def _leave_to_a_child() -> None:
    """Go on in a child; its parent passes signals on to it, and buries whoever dies."""
    everything = signal.valid_signals()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, everything)
    child = os.fork()
    if child:
        _watch(child, everything)
    os.setpgid(0, 0)  # what a terminal sends is sent to us, and not passed on once more
    if os.isatty(0):
        os.tcsetpgrp(0, os.getpid())
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(child: int, signals: set[signal.Signals]) -> None:
    """Pass signals on to ``child`` and wait for everybody, until it ends; end as it has."""
    while True:
        number = signal.sigwait(signals)
        if number == signal.SIGCHLD:
            _bury(child)
        else:
            os.kill(child, number)


def _bury(child: int) -> None:
    """Wait for all who have ended; end with the status of ``child`` if it is among them."""
    pid = -1
    while pid:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
