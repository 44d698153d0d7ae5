"""Thousands of clients at once: all connected, all served, all gone again.

Nothing is timed here. A machine that is too small for a crowd skips it, and says why.
"""

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from .client import eventually
from .process import Server
from .servers import Target

# One worker of xdist for all crowds: descriptors and CPUs are for one of them at a time.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("crowds")]

#: Seconds for anything to happen in a crowd, on a machine that has other things to do.
PATIENCE: Final = 120.0
#: Clients that do something at once: fewer than may wait to be accepted. When thousands of
#: threads want the GIL, they are busy for minutes with nothing but to ask for it.
COHORT: Final = 200
#: Clients of one source address, which has 28,000 ports; others use some of them.
PER_ADDRESS: Final = 5_000
#: One in so many waits instead of asking PING.
WAITS: Final = 100
#: Descriptors, and threads, that are not the crowd's.
SPARE: Final = 500

#: By target: how many clients, and how many threads serve them.
CROWDS: Final = {"threads": (8_000, 8_000), "epoll": (9_500, 1)}


class Crowd:
    """Many clients of one server, in one thread: a few system calls for each."""

    def __init__(self, address: tuple[str, int], stack: ExitStack) -> None:
        self._address = address
        self._stack = stack
        self._sockets: list[socket.socket] = []

    def grow(self, size: int) -> None:
        """Connect clients until there are so many; each has been answered by then."""
        while len(self._sockets) < size:
            before = len(self._sockets)
            for number in range(before, min(before + COHORT, size)):
                self._sockets.append(self._connect(number))
            _ask(self._sockets[before:], b"PING\n", b"PONG\n")

    def ask_all(self) -> None:
        """Have each answered again, a few of them only after all others."""
        waiting = self._sockets[::WAITS]
        for sock in waiting:
            sock.send(b"WAIT 0.5\n")
        for cohort in self._cohorts():
            _ask([sock for n, sock in enumerate(cohort) if n % WAITS], b"PING\n", b"PONG\n")
        _ask(waiting, b"", b"DONE\n")

    def shrink(self) -> None:
        """Disconnect a cohort: half of it as most programs do, half with a reset."""
        leaving = self._sockets[-COHORT:]
        del self._sockets[-COHORT:]
        for sock in leaving[::2]:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        for sock in leaving:
            sock.close()

    def __len__(self) -> int:
        return len(self._sockets)

    def _cohorts(self) -> Iterator[list[socket.socket]]:
        for start in range(0, len(self), COHORT):
            yield self._sockets[start : start + COHORT]

    def _connect(self, number: int) -> socket.socket:
        sock = self._stack.enter_context(socket.socket())
        sock.settimeout(PATIENCE)
        # The port is chosen once it is known to whom, so that it need not be free for all.
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((f"127.0.1.{1 + number // PER_ADDRESS}", 0))
        sock.connect(self._address)
        return sock


def _ask(sockets: list[socket.socket], request: bytes, reply: bytes) -> None:
    """Have all of them ask, and only then read what each gets."""
    for sock in sockets:
        sock.send(request)
    for sock in sockets:
        assert reply == sock.recv(64)


@pytest.fixture
def descriptors() -> Iterator[int]:
    """As many descriptors as we may have at all, for us and for whoever we start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("name", CROWDS)
def test_a_crowd_is_served(targets: tuple[Target, ...], descriptors: int, name: str) -> None:
    """Everybody is answered while all are connected; the counts say so; nothing remains."""
    size, threads = CROWDS[name]
    target = next((target for target in targets if target.id == name), None)
    if target is None:
        pytest.skip(f"{name} is not under test")
    _skip_unless(descriptors, "the hard limit of descriptors", size)
    _skip_unless(_threads_allowed(), "what this machine allows of threads", threads)
    with ExitStack() as stack:
        server = Server(target)
        stack.callback(server.kill)
        crowd = Crowd(server.address, stack)
        crowd.grow(size)
        crowd.ask_all()
        samples = server.samples()
        assert size == samples["server_active_connections"]
        assert threads == samples["server_active_threads"]
        assert size == samples["server_connections_total"]
        while crowd:
            crowd.shrink()
            assert eventually(lambda: _active(server) == len(crowd), timeout=PATIENCE)
        server.signal()
        assert 0 == server.exit_status(within=PATIENCE)
        server.check()
        assert 2 == len(server.stderr.splitlines()), server.stderr  # where it is, and the signal


def _active(server: Server) -> float:
    return server.samples()["server_active_connections"]


def _skip_unless(there: int, what: str, needed: int) -> None:
    if there < needed + SPARE:
        pytest.skip(f"{what} is {there}, too little for {needed:,} clients")


def _threads_allowed() -> int:
    """The least of all limits there are on threads."""
    kernel = Path("/proc/sys/kernel")
    limits = [int((kernel / name).read_text()) for name in ("threads-max", "pid_max")]
    # A stack and its guard are two mappings.
    limits.append(int(Path("/proc/sys/vm/max_map_count").read_text()) // 2)
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    if processes != resource.RLIM_INFINITY:
        limits.append(processes)
    return min(limits + [int(text) for text in _pids_max() if text != "max"])


def _pids_max() -> Iterator[str]:
    """What our control group, and those it is part of, say of processes and threads."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in {"", "pids"}:  # version 2, or the controller of version 1
            group = Path("/sys/fs/cgroup", controllers, path.lstrip("/"))
            for one in (group, *group.parents):
                if (one / "pids.max").exists():
                    yield (one / "pids.max").read_text().strip()
