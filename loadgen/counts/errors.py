"""What goes wrong, by phase and cause, each with what to do about it."""

import errno
from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Phase(Enum):
    """What a client was at when it went wrong."""

    CONNECT = "connect"
    WRITE = "write"
    READ = "read"
    CLOSE = "close"


class Cause(Enum):
    """What went wrong, and what to do about it."""

    REFUSED = "refused"
    RESET = "reset"
    TIMEOUT = "timeout"
    EOF = "eof"
    EMFILE = "emfile"
    EADDRNOTAVAIL = "eaddrnotavail"
    UNREACHABLE = "unreachable"
    WRONG_REPLY = "wrong reply"
    REJECTED = "rejected"
    BUSY = "busy"
    OVERLOAD = "overload"
    OTHER = "other"


ADVICE: Final = {
    Cause.REFUSED: "nothing listens there: is the server up, and is it that port?",
    Cause.RESET: "the server or its kernel dropped the connection: look into its log, and whether"
    " it died; when connecting, its listen backlog may have been full",
    Cause.TIMEOUT: "the server was too slow or stood still: compare with fewer clients, or allow"
    " more with --timeout or --connect-timeout",
    Cause.EOF: "the server closed before it had answered: was it stopped, or is a time-out of its"
    " shorter than a request takes?",
    Cause.EMFILE: "this machine ran out of descriptors: raise ulimit -n, or use fewer connections"
    " per process with --workers",
    Cause.EADDRNOTAVAIL: "no local port or address was free: use more addresses with --source-ip,"
    " reconnect less often, or widen net.ipv4.ip_local_port_range",
    Cause.UNREACHABLE: "no way leads there from here: check address, network and firewall",
    Cause.WRONG_REPLY: "the server did not say what the protocol has it say: nothing it says can be"
    " relied on",
    Cause.REJECTED: "the server understood the request and refuses it: check --mix against its"
    " limits",
    Cause.BUSY: "the server has as many clients as it takes: use fewer connections, or raise its"
    " --limit-connections",
    Cause.OVERLOAD: "more requests waited for a connection than --max-inflight allows, or they"
    " waited still at the end: the server, or this generator, is slower than the rate, or there are"
    " too few connections",
    Cause.OTHER: "the system did not say",
}

_BY_ERRNO: Final = {
    errno.ECONNREFUSED: Cause.REFUSED,
    errno.ECONNRESET: Cause.RESET,
    errno.EPIPE: Cause.RESET,
    errno.ECONNABORTED: Cause.RESET,
    errno.ETIMEDOUT: Cause.TIMEOUT,
    errno.EMFILE: Cause.EMFILE,
    errno.ENFILE: Cause.EMFILE,
    errno.EADDRNOTAVAIL: Cause.EADDRNOTAVAIL,
    errno.EADDRINUSE: Cause.EADDRNOTAVAIL,
    errno.EHOSTUNREACH: Cause.UNREACHABLE,
    errno.ENETUNREACH: Cause.UNREACHABLE,
    errno.ENETDOWN: Cause.UNREACHABLE,
    errno.EAFNOSUPPORT: Cause.UNREACHABLE,  # IPv6 is off
    errno.EINVAL: Cause.UNREACHABLE,  # such as fe80::1 without %interface
    errno.EACCES: Cause.UNREACHABLE,  # a firewall, or a broadcast address
    errno.EPERM: Cause.UNREACHABLE,
}


#: Before what the system said.
_SAID: Final = "the system says: "


def _text(error: BaseException | None) -> str:
    """What the system says, in one line."""
    said = (isinstance(error, OSError) and error.strerror) or str(error or "")
    return " ".join(said.split()) or type(error).__name__


@dataclass(frozen=True, slots=True, order=False)
class Fault:
    """A kind of error.

    :param text: what the system said of the first, where its kind says nothing.
    """

    phase: Phase
    cause: Cause
    text: str = field(default="", compare=False)

    @classmethod
    def of(cls, phase: Phase, error: BaseException | None) -> "Fault":
        """Classify what the operating system says."""
        if isinstance(error, TimeoutError) and error.errno is None:
            return cls(phase, Cause.TIMEOUT)
        number = error.errno if isinstance(error, OSError) else None
        cause = _BY_ERRNO.get(number or 0, Cause.OTHER)
        return cls(phase, cause, _text(error) if cause is Cause.OTHER else "")

    @property
    def advice(self) -> str:
        """What to do about it."""
        return f"{_SAID}{self.text}" if self.text else ADVICE[self.cause]

    @classmethod
    def read(cls, phase: str, cause: str, advice: str) -> "Fault":
        """Take in what was written of one.

        :raises ValueError: if there is no such phase or cause.
        """
        said = advice.removeprefix(_SAID) if advice.startswith(_SAID) else ""
        return cls(Phase(phase), Cause(cause), said)

    def __str__(self) -> str:
        return f"{self.phase.value}: {self.cause.value}"
