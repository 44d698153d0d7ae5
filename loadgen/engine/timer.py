"""An alarm of the kernel: exact to microseconds, where the timers of loops are to milliseconds.

libuv rounds to whole milliseconds, and may be one early; asyncio's epoll rounds up to them. At
20,000 requests a second that is the whole distance of twenty requests.
"""

import asyncio
import ctypes
import os
from collections.abc import Callable
from typing import Final

_CLOCK_MONOTONIC: Final = 1
_NONBLOCK: Final = os.O_NONBLOCK | os.O_CLOEXEC  # TFD_NONBLOCK, TFD_CLOEXEC: timerfd_create(2)
_ABSOLUTE: Final = 1  # TFD_TIMER_ABSTIME


class _Setting(ctypes.Structure):
    """``struct itimerspec``: no interval, and an instant."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class Timer:
    """Calls ``ring`` once an instant has come that was `set`.

    Python has timerfd since 3.13; before that it is asked of the C library.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], object]) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._fd = self._library.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK)
        if self._fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._loop = loop
        self._ring = ring
        self._setting = _Setting(0, 0, 0, 0)
        self._pointer = ctypes.byref(self._setting)
        loop.add_reader(self._fd, self._read)

    def set(self, instant: float) -> None:
        """Ring at this instant of the monotonic clock; at once if it has passed."""
        seconds = int(instant)
        self._setting.seconds = seconds
        self._setting.nanoseconds = max(int((instant - seconds) * 1e9), 1)  # 0, 0: never
        self._library.timerfd_settime(self._fd, _ABSOLUTE, self._pointer, None)

    def close(self) -> None:
        """Ring no more."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _read(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:  # set anew since it rang
            return
        self._ring()
