"""How much stands in the kernel's queues of a socket."""

import errno
import fcntl
import struct
import termios
from typing import Any


def unread_bytes(sock: Any) -> int:
    """Bytes that have arrived and were not read yet (SIOCINQ, tcp(7))."""
    return _ask(sock, termios.FIONREAD)


def unsent_bytes(sock: Any) -> int:
    """Bytes that the other side has not yet taken in (SIOCOUTQ, tcp(7))."""
    return _ask(sock, termios.TIOCOUTQ)


def _ask(sock: Any, what: int) -> int:
    """Ask the kernel.

    :raises OSError: also for a socket that is closed.
    """
    try:
        answer = fcntl.ioctl(sock, what, b"\0\0\0\0")
    except ValueError as error:  # what fcntl says of a descriptor of -1
        raise OSError(errno.EBADF, "closed") from error
    return int(struct.unpack("i", answer)[0])
