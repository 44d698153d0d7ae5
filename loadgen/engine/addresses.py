"""Where a name leads, or in one line why it leads nowhere."""

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

#: What families are called.
_NAMES: Final = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}


def check_host(host: str) -> str:
    """Return ``host``, if it can be the name or the address of a machine.

    :raises ValueError: if it can not.
    """
    if not host.isprintable() or set(host) & set("/ @?#"):
        raise ValueError(f"{host!r} is no name of a host: write HOST:PORT, and no URL")
    try:
        host.encode("idna")
    except UnicodeError:
        why = "what stands between its dots has 1 to 63 letters"
        raise ValueError(f"{host!r} is no name of a host: {why}") from None
    return host


def family_of(sources: Sequence[str]) -> socket.AddressFamily:
    """The family of local addresses, which the other end has to be of; of none: any."""
    if not sources:
        return socket.AF_UNSPEC
    version = ipaddress.ip_address(sources[0]).version
    return socket.AF_INET if version == 4 else socket.AF_INET6


def scoped(host: str, port: int) -> tuple[socket.AddressFamily, Any] | None:
    """The address of a host such as ``fe80::1%eth0``; ``None``: it is no such host.

    :raises OSError: if there is no such interface.
    """
    plain, percent, interface = host.partition("%")
    if not percent:
        return None
    try:
        address = str(ipaddress.IPv6Address(plain))
        number = int(interface) if interface.isdecimal() else socket.if_nametoindex(interface)
    except OSError:
        raise OSError(
            f"{host!r}: there is no network interface {interface!r}, see ip link"
        ) from None
    except ValueError:
        raise OSError(f"there is no host {host!r}: before % stands an IPv6 address") from None
    return socket.AF_INET6, (address, port, 0, number)


@contextmanager
def explained(host: str, family: socket.AddressFamily = socket.AF_UNSPEC) -> Iterator[None]:
    """Make whatever goes wrong with a name one line.

    :raises OSError: which says it.
    """
    try:
        yield
    except socket.gaierror as error:
        if family in _NAMES:
            ours = _NAMES[family]
            raise OSError(f"--source-ip is {ours}, and {host!r} has no {ours} address") from None
        raise OSError(f"there is no host {host!r}: {error.strerror}") from None
    except (UnicodeError, ValueError, OverflowError) as error:
        raise OSError(f"there is no host {host!r}: {error}") from None
