"""Where a name leads, or in one line why it leads nowhere."""

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

#: What families are called.
_NAMES: Final = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}


def check_host(host: str) -> str:
    """Return ``host``, if it can be the name or the address of a machine.

    :raises ValueError: if it can not.
    """
    try:
        host.encode("idna")
    except UnicodeError:
        fine = False
    else:
        fine = host.isprintable() and not set(host) & set("/ @?#")
    if not fine:
        raise ValueError(f"{host!r} cannot be the name of a host: write HOST:PORT, no URL")
    return host


def family_of(sources: Sequence[str]) -> socket.AddressFamily:
    """The family of local addresses, which the other end has to be of; of none: any."""
    if not sources:
        return socket.AF_UNSPEC
    version = ipaddress.ip_address(sources[0]).version
    return socket.AF_INET if version == 4 else socket.AF_INET6


@contextmanager
def explained(host: str, family: socket.AddressFamily = socket.AF_UNSPEC) -> Iterator[None]:
    """Make whatever goes wrong with a name one line.

    :raises OSError: which says it.
    """
    try:
        yield
    except socket.gaierror as error:
        kind = f"{_NAMES[family]} address of" if family in _NAMES else "host"
        wanted = f", as --source-ip is {_NAMES[family]}" if family in _NAMES else ""
        raise OSError(f"there is no {kind} {host!r}: {error.strerror}{wanted}") from None
    except (UnicodeError, ValueError, OverflowError) as error:
        raise OSError(f"there is no host {host!r}: {error}") from None
