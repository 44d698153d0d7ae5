"""What a server may use: descriptors, memory, CPUs; and whether one more client fits in."""

import logging
import mmap
import os
import re
import resource
from collections.abc import Iterable
from typing import Final

from .acceptor import NoRoom
from .settings import Settings
from .stats import BUSY, MEMORY

logger = logging.getLogger(__name__)

#: Descriptors kept back from connections: listeners, loop, logs, scrapers, refusals.
RESERVED_DESCRIPTORS: Final = 100

#: Fewer clients than this are said at the start, where nobody has asked for so few.
FEW: Final = 100

#: Bytes that must still be to be had before a client is let in, where memory is limited:
#: so those who are in can be served to their end. Some of the interpreter's arenas (1 MiB)
#: and one long write.
HEADROOM: Final = 8 * 2**20


def raise_descriptor_limit() -> int:
    """Raise the soft limit of descriptors of this process as far as it goes; return it.

    Command lines do so. A program that serves beside other things may not want it, for
    instance if it calls select(2), so nothing else here does.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # an "unlimited" hard limit may be over what the kernel takes
        return soft
    return hard


def descriptor_limit() -> int:
    """How many descriptors this process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def connections_allowed(settings: Settings) -> int:
    """How many clients to serve at a time: as set, or as many as the descriptors allow."""
    return settings.limit_connections or _possible()


def warn_of_descriptors(settings: Settings) -> None:
    """Log if descriptors are enough for fewer clients than are asked for, or for few."""
    possible, wanted = _possible(), settings.limit_connections
    if (FEW if wanted is None else wanted) > possible:
        logger.warning(
            "descriptors are enough for %d client%s at a time%s: there are %d, and %d are kept"
            " back; raise the hard limit (ulimit -Hn)",
            possible,
            "s" if possible > 1 else "",
            "" if wanted is None else f", not {wanted}",
            descriptor_limit(),
            RESERVED_DESCRIPTORS,
        )


def _possible() -> int:
    return max(descriptor_limit() - RESERVED_DESCRIPTORS, 1)


def read_cpus(text: str) -> tuple[int, ...]:
    """Read a list of CPUs as taskset(1) takes it, such as ``0,2-3``; each is in it once.

    :raises ValueError: if it is none.
    """
    if not re.fullmatch(r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*", text):
        raise ValueError(f"{text!r} is no list of CPUs such as 0,2-3")
    spans = [[int(end) for end in part.split("-")] for part in text.split(",")]
    if any(span[0] > span[-1] for span in spans):
        raise ValueError(f"{text!r} has a range that ends before it begins")
    return tuple(dict.fromkeys(cpu for span in spans for cpu in range(span[0], span[-1] + 1)))


def require_cpus(cpus: Iterable[int]) -> None:
    """See that all of these CPUs are there for us.

    :raises ValueError: if one is not; its text says which are.
    """
    there = os.sched_getaffinity(0)
    if missing := set(cpus) - there:
        raise ValueError(f"there is no CPU {_listed(missing)} for us: there is {_listed(there)}")


def pin(cpus: Iterable[int]) -> None:
    """Run on these CPUs only, this thread and those it starts, as ``taskset`` does.

    :raises OSError: if none of them is there; its text says which there are.
    """
    wanted, there = set(cpus), os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, wanted)
    except (OSError, OverflowError, ValueError) as error:
        raise OSError(f"cannot run on CPU {_listed(wanted)}: there is {_listed(there)}") from error


def _listed(cpus: Iterable[int]) -> str:
    return ",".join(map(str, sorted(cpus)))


def limit_memory(size: int) -> None:
    """Let the process have no more than ``size`` bytes of address space (RLIMIT_AS).

    :raises OSError: if that leaves nothing for a client, or is more than may be had.
    """
    before = resource.getrlimit(resource.RLIMIT_AS)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (size, before[1]))
    except (ValueError, OverflowError) as error:
        raise OSError(f"the memory limit cannot be raised to {size} bytes") from error
    if not _can_have(HEADROOM):
        resource.setrlimit(resource.RLIMIT_AS, before)
        raise OSError(f"a memory limit of {size} bytes is less than the server itself needs")


def memory_is_limited() -> bool:
    """Whether the process may have only so much address space."""
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def _can_have(size: int) -> bool:
    try:
        mmap.mmap(-1, size).close()
    except (OSError, MemoryError):
        return False
    return True


class Capacity:
    """How many clients there may be, and whether there is memory for one more."""

    def __init__(self, settings: Settings) -> None:
        self.connections = connections_allowed(settings)
        #: Bytes of address space that a client takes at once: stacks of threads.
        self.each = 0
        self._memory_is_limited = memory_is_limited()
        # So many clients have been in together. What they needed, the allocator keeps when
        # they leave, so that it cannot be had anew but is there.
        self._fitted = 1

    def check(self, clients: int) -> None:
        """See that there is room for one more beside so many clients.

        :raises NoRoom: if there is none, or no memory.
        """
        if clients >= self.connections:
            raise NoRoom(BUSY)
        if not self._memory_is_limited:
            return
        if _can_have(HEADROOM + self.each):
            self._fitted = max(self._fitted, clients + 1)
        elif clients * 2 >= self._fitted:
            raise NoRoom(MEMORY)
