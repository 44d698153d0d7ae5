"""Listening sockets: where the server can be reached."""

import contextlib
import ctypes
import errno
import socket
import struct
from collections.abc import Iterator
from typing import Any, Final

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
    """Listen on every address of ``host``; port 0 picks one that all of them share.

    :raises OSError: if the name is unknown or an address cannot be listened on; its text
        says which.
    """
    with explained(host, port), contextlib.ExitStack() as undo:
        listeners: list[socket.socket] = []
        for family, address in _resolve(host, port):
            chosen = listeners[0].getsockname()[1] if listeners else port
            listener = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
            _prepare(listener)
            listener.bind((address[0], chosen, *address[2:]))
            listener.listen(backlog)
            listeners.append(listener)
        undo.pop_all()
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
    except (OSError, UnicodeError) as error:  # what getaddrinfo raises for an impossible name
        number, reason = (
            (error.errno, error.strerror)
            if isinstance(error, OSError)
            else (errno.EINVAL, "that cannot be a name")
        )
        where = show_address((host, port))
        raise OSError(number, f"cannot listen on {where}: {reason}") from error


def show_address(address: tuple[str, int]) -> str:
    """Write a bound address as people do: ``127.0.0.1:8090``, ``[::1]:8090``."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _resolve(host: str, port: int) -> list[tuple[int, Any]]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _prepare(listener: socket.socket) -> None:
    listener.setblocking(False)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted sockets inherit it (Linux): a reply is one write, and must not wait for the
    # acknowledgement of the one before it.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
