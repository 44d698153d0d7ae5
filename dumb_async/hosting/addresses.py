"""Which addresses a host stands for: one rule for all that listens and all that connects.

A name stands for all its addresses. ``0.0.0.0`` is every IPv4 address of the machine, ``::`` every
IPv6 address and no IPv4 one, ``*`` or an empty host both. Who connects to one of those asks the
loopback.
"""

import errno
import socket
from typing import Any, Final

#: A family, and what `socket.bind` and `socket.connect` take.
Address = tuple[socket.AddressFamily, Any]

#: Listening on an address, or connecting to it, fails so where this machine does not have it or
#: a way to it, such as ``::1`` where IPv6 is off.
ABSENT: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH})

_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def listening_addresses(host: str, port: int) -> list[Address]:
    """What to listen on for ``host``, each once.

    :raises OSError: if there is no such host.
    """
    return _resolve(host, port, socket.AI_PASSIVE)


def connecting_addresses(
    host: str, port: int, of: socket.AddressFamily = socket.AF_UNSPEC
) -> list[Address]:
    """Where to ask for a server that listens on ``host``, each once.

    :param of: the family they have to be of.
    :raises OSError: if there is no such host.
    """
    return [
        (family, (_LOOPBACK.get(address[0], address[0]), *address[1:]))
        for family, address in _resolve(host, port, 0, of)
    ]


def connect(host: str, port: int, timeout: float) -> socket.socket:
    """Connect to the first address of ``host`` that can be connected to.

    :param timeout: seconds until one is given up; that of the socket, too.
    :raises OSError: if none can be; what it says is of one that there is, if there is any.
    """
    failure: OSError | None = None
    for one in connecting_addresses(host, port):
        try:
            return _connect(one, timeout)
        except OSError as error:
            if failure is None or error.errno not in ABSENT:
                failure = error
    assert failure is not None  # a name has an address
    raise failure


def reachable_address(
    host: str, port: int, timeout: float, of: socket.AddressFamily = socket.AF_UNSPEC
) -> Address:
    """The first address of ``host`` that can be connected to; if none can, one that there is.

    :param timeout: seconds until one is given up.
    :param of: the family it has to be of.
    :raises OSError: if there is no such host.
    """
    found = connecting_addresses(host, port, of)
    chosen = found[-1]
    for one in found if len(found) > 1 else ():
        try:
            _connect(one, timeout).close()
        except OSError as error:
            if error.errno not in ABSENT:
                chosen = one
        else:
            return one
    return chosen


def _connect(where: Address, timeout: float) -> socket.socket:
    family, address = where
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _resolve(
    host: str, port: int, flags: int, of: socket.AddressFamily = socket.AF_UNSPEC
) -> list[Address]:
    # Brackets are how an IPv6 address is written beside a port.
    name = host[1:-1] if host.startswith("[") and host.endswith("]") and ":" in host else host
    everything = name in {"", "*"}
    try:
        found = socket.getaddrinfo(
            None if everything else name, port, family=of, type=socket.SOCK_STREAM, flags=flags
        )
    except (UnicodeError, ValueError) as error:  # for what cannot be encoded as a name
        raise OSError(errno.EINVAL, "that cannot be a name") from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))
