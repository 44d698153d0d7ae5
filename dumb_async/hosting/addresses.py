"""Which addresses a host stands for: one rule for all that listens and all that connects.

A name stands for all its addresses. ``0.0.0.0`` is every IPv4 address of the machine, ``::`` every
IPv6 address and no IPv4 one, an empty host both. Who connects to one of those asks the loopback.
"""

import errno
import socket
from typing import Any, Final

#: A family, and what `socket.bind` and `socket.connect` take.
Address = tuple[socket.AddressFamily, Any]

_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def listening_addresses(host: str, port: int) -> list[Address]:
    """What to listen on for ``host``, each once.

    :raises OSError: if there is no such host.
    """
    return _resolve(host, port, socket.AI_PASSIVE)


def connecting_addresses(host: str, port: int) -> list[Address]:
    """Where to ask for a server that listens on ``host``, each once.

    :raises OSError: if there is no such host.
    """
    return [
        (family, (_LOOPBACK.get(address[0], address[0]), *address[1:]))
        for family, address in _resolve(host, port, 0)
    ]


def reachable_address(host: str, port: int, timeout: float) -> Address:
    """The first address of ``host`` that can be connected to, the last one if none can.

    :param timeout: seconds until one is given up.
    :raises OSError: if there is no such host.
    """
    *first, last = connecting_addresses(host, port)
    for family, address in first:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.settimeout(timeout)
                probe.connect(address)
        except OSError:
            continue
        return family, address
    return last


def _resolve(host: str, port: int, flags: int) -> list[Address]:
    # Brackets are how an IPv6 address is written beside a port.
    name = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        found = socket.getaddrinfo(name or None, port, type=socket.SOCK_STREAM, flags=flags)
    except (UnicodeError, ValueError) as error:  # for what cannot be encoded as a name
        raise OSError(errno.EINVAL, "that cannot be a name") from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))
