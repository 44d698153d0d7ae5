"""How much stands in the kernel's queues of a socket, and has gone through them."""

import errno
import fcntl
import socket
import struct
import termios
from typing import Any, Final

#: Where ``tcpi_bytes_received`` stands in ``struct tcp_info`` of linux/tcp.h (since Linux 4.1).
_BYTES_RECEIVED: Final = struct.Struct("128xQ")


def unread_bytes(sock: Any) -> int:
    """Bytes that have arrived and were not read yet (SIOCINQ, tcp(7))."""
    return _ask(sock, termios.FIONREAD)


def unsent_bytes(sock: Any) -> int:
    """Bytes that the other side has not yet taken in (SIOCOUTQ, tcp(7))."""
    return _ask(sock, termios.TIOCOUTQ)


def received_bytes(sock: Any) -> int:
    """Bytes that have arrived since the beginning, read or not; an end of input may be one."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED.size)
    return int(_BYTES_RECEIVED.unpack(info)[0])


def _ask(sock: Any, what: int) -> int:
    """Ask the kernel.

    :raises OSError: also for a socket that is closed.
    """
    try:
        answer = fcntl.ioctl(sock, what, b"\0\0\0\0")
    except ValueError as error:  # what fcntl says of a descriptor of -1
        raise OSError(errno.EBADF, "closed") from error
    return int(struct.unpack("i", answer)[0])
