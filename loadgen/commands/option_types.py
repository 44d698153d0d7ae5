"""Types of options: each reads text, and says in one line what is wrong with it."""

from dumb_async.hosting import Count, Duration, Number, Parsed, Port, read_cpus, read_share

from ..engine import Target
from ..engine.addresses import check_host
from ..engine.dialer import sources_between
from ..plan import Mix, Profile, Share, Think
from ..plan.units import rate
from ..results import Threshold


def _target(text: str) -> Target:
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not (port.isascii() and port.isdecimal() and len(port) < 6 and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:8090 or [::1]:8090")
    return Target(check_host(host), int(port))


class _Rate(Number):
    """How many a second, more than 0."""

    read = staticmethod(rate)


class _Share(Number):
    """A share, also in percent."""

    name = "SHARE"
    read = staticmethod(read_share)


DURATION = Duration(0)
TIMEOUT = Duration(0, min_open=True)
COUNT = Count(0)
MANY = Count(1)
RATE = _Rate(0, min_open=True)
PRECISION = _Share(0.001, 1)
PORT = Port(0, 65535)
MIX = Parsed("MIX", Mix.parse)
THINK = Parsed("DURATION", Think.parse)
STAGES = Parsed("STAGES", Profile.parse)
SHARE = Parsed("K/N", Share.parse)
TARGET = Parsed("HOST:PORT", _target)
THRESHOLD = Parsed("THRESHOLD", Threshold.parse)
SOURCES = Parsed("A-B", lambda text: tuple(sources_between(text)) if text else ())
CPUS = Parsed("LIST", lambda text: read_cpus(text) if text else ())
