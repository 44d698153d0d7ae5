"""Listening sockets: where the server can be reached."""

import contextlib
import ctypes
import logging
import socket
import struct
from collections.abc import Iterator
from typing import Any, Final

from .addresses import ABSENT, listening_addresses

logger = logging.getLogger(__name__)

#: socket(7); the same on all architectures but PA-RISC, SPARC and Alpha.
_SO_ATTACH_FILTER: Final = 26
#: Classic BPF (linux/filter.h): load the byte with the flags; if SYN is among them drop, else keep.
_NO_SYN: Final = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # ldb [13]
        (0x45, 0, 1, 0x02),  # jset #SYN, next, over the next
        (0x06, 0, 0, 0),  # ret #0
        (0x06, 0, 0, 0xFFFF_FFFF),  # ret #-1
    )
)


def open_listeners(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Listen on every address of ``host`` that there is; port 0 picks one that all of them share.

    Those that this machine does not have are logged, and left out.

    :param host: see `addresses`.
    :raises OSError: if there is none, or one of them is taken; its text says which.
    """
    with explained(host, port), contextlib.ExitStack() as undo:
        listeners: list[socket.socket] = []
        absent: list[tuple[Any, OSError]] = []
        for family, address in listening_addresses(host, port):
            chosen = listeners[0].getsockname()[1] if listeners else port
            place = address[0], chosen, *address[2:]
            try:
                listener = _listen(family, place, backlog)
            except OSError as reason:
                if reason.errno not in ABSENT:  # it is taken, or forbidden
                    raise
                absent.append((place, reason))
            else:
                listeners.append(undo.enter_context(listener))
        if not listeners:
            raise absent[0][1]
        undo.pop_all()
    for place, error in absent:
        logger.warning("not listening on %s: %s", show_address(place[:2]), error.strerror)
    return listeners


def close_door(listener: socket.socket) -> None:
    """Let nobody connect any more; those who have connected can still be accepted.

    A listening socket that is closed resets those whom it has let in since the last accept(2). So
    the kernel is told to drop SYNs first: their senders try again, and find nobody. The filter
    (socket(7), SO_ATTACH_FILTER) sees a segment from its TCP header on.
    """
    code = (ctypes.c_char * len(_NO_SYN)).from_buffer_copy(_NO_SYN)
    program = struct.pack("HP", len(_NO_SYN) // 8, ctypes.addressof(code))
    with contextlib.suppress(OSError):  # a kernel that has no filters: then some may be reset
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


@contextlib.contextmanager
def explained(host: str, port: int) -> Iterator[None]:
    """Make an `OSError` say which address could not be listened on."""
    try:
        yield
    except OSError as error:
        where = show_address((host, port))
        reason = f"cannot listen on {where}: {error.strerror}"
        raise OSError(error.errno, reason) from error


def show_address(address: tuple[str, int]) -> str:
    """Write a bound address as people do: ``127.0.0.1:8090``, ``[::1]:8090``."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _listen(family: int, place: Any, backlog: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        _prepare(listener)
        listener.bind(place)
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    return listener


def _prepare(listener: socket.socket) -> None:
    listener.setblocking(False)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted sockets inherit it (Linux): a reply is one write, and must not wait for the
    # acknowledgement of the one before it. It only makes things faster.
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if listener.family == socket.AF_INET6:  # `::` is IPv6 alone, whatever the system's default
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
