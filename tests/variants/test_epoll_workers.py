"""Several workers: evenly busy, each on its own, and none left behind."""

import contextlib
import os
import re
import select
import signal
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..conformance.client import PATIENCE, Client, eventually
from ..conformance.process import Server
from .conftest import Start

MODELS = pytest.mark.parametrize("name", ["epoll-workers", "reactor"])
DEATH = "a worker has ended, and its clients with it"


def workers_of(server: Server) -> list[int]:
    """The processes that the server has started, in the order of their start."""
    pids = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, _, rest = stat.read_text().partition(" (")
            if rest.rpartition(")")[2].split()[1] == str(server.pid):
                pids.append(int(pid))
    return sorted(pids)


def join(stack: ExitStack, server: Server, count: int) -> list[Client]:
    """Clients that have been served, one after the other."""
    clients = []
    for _ in range(count):
        clients.append(stack.enter_context(server.connect()))
        assert b"PONG\n" == clients[-1].ask(b"PING")
    return clients


def by_worker(server: Server, name: str) -> dict[str, float]:
    """The values of a sample on the metrics page, by worker."""
    page = server.get()[1]
    return {
        worker: float(value)
        for worker, value in re.findall(rf'^{name}{{worker="(\w+)"}} (\S+)$', page, re.MULTILINE)
    }


def all_end(pids: Iterable[int]) -> bool:
    """Whether all of these processes, which are not ours, end in time."""
    with ExitStack() as stack:
        for pid in pids:
            try:
                fd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            stack.callback(os.close, fd)
            if not select.select([fd], [], [], PATIENCE)[0]:
                return False
    return True


def is_lost(client: Client) -> bool:
    """Whether the connection has been ended without an answer."""
    try:
        return client.ask(b"PING") == b""
    except ConnectionError:
        return True


@MODELS
def test_connections_go_round(start: Start, name: str) -> None:
    """Each worker has as many as every other."""
    server = start(name, "--workers", "4")
    with ExitStack() as stack:
        join(stack, server, 40)
        expected = {"acceptor": 0.0, **dict.fromkeys("0123", 10.0)}
        assert expected == by_worker(server, "server_active_connections")
        assert expected == by_worker(server, "server_connections_total")
        threads = {"acceptor": 0.0, **dict.fromkeys("0123", 1.0)}
        assert threads == by_worker(server, "server_active_threads")
    assert eventually(lambda: server.samples()["server_active_connections"] == 0)
    assert 0 == server.stop()


@MODELS
def test_a_limit_is_that_of_all_workers(start: Start, name: str) -> None:
    """And who leaves makes room, whichever worker it leaves."""
    server = start(name, "--workers", "2", "--limit-connections", "3")
    with ExitStack() as stack:
        clients = join(stack, server, 3)
        for client in clients:
            with server.connect() as refused:
                assert b"SERVER_BUSY\n" == refused.read_all()
            client.close()
            stack.enter_context(server.get_in())
    assert 0 == server.stop()


@MODELS
def test_a_worker_takes_its_own_clients_along(start: Start, name: str) -> None:
    """The others are served, and so is whoever comes later."""
    server = start(name, "--workers", "2")
    workers = workers_of(server)
    assert 2 == len(workers)
    with ExitStack() as stack:
        clients = join(stack, server, 6)
        os.kill(workers[0], signal.SIGKILL)
        for client in clients[0::2]:
            assert is_lost(client)
        for client in clients[1::2]:
            assert b"PONG\n" == client.ask(b"PING")
        assert eventually(lambda: DEATH in server.stderr)
        clients += join(stack, server, 4)
        assert {"acceptor": 0.0, "1": 7.0} == by_worker(server, "server_active_connections")
        assert 2 == len(server.stderr.splitlines()), server.stderr
    assert 0 == server.stop()


@MODELS
def test_a_server_without_workers_ends(start: Start, name: str) -> None:
    """With status 1, and one line about each of them; nobody is left waiting."""
    server = start(name, "--workers", "2")
    with ExitStack() as stack:
        clients = join(stack, server, 2)
        for worker in workers_of(server):
            os.kill(worker, signal.SIGKILL)
        assert 1 == server.exit_status(within=PATIENCE)
        assert all(is_lost(client) for client in clients)
    assert 2 == server.stderr.count(DEATH)
    assert 3 == len(server.stderr.splitlines()), server.stderr


def test_the_last_worker_may_be_the_only_one(start: Start) -> None:
    """Then there is one line."""
    server = start("epoll-workers", "--workers", "1")
    (worker,) = workers_of(server)
    os.kill(worker, signal.SIGKILL)
    assert 1 == server.exit_status(within=PATIENCE)
    (_, line) = server.stderr.splitlines()
    assert DEATH in line


def test_the_last_worker_may_die_while_it_has_no_room(start: Start) -> None:
    """Whoever waits for room in it is not waited with."""
    server = start("epoll-workers", "--workers", "1", "--limit-connections", "1000", fd_limit=64)
    with ExitStack() as stack:
        room = 64 - 48
        join(stack, server, room)
        stack.enter_context(server.connect())
        rejected = 'server_rejected_connections_total{reason="emfile"}'
        assert eventually(lambda: server.samples().get(rejected, 0) > 0)
        (worker,) = workers_of(server)
        os.kill(worker, signal.SIGKILL)
        assert 1 == server.exit_status(within=5)


def test_a_worker_that_hangs_stops_nobody_else(start: Start) -> None:
    """Not even when its channel is full: those who come go to the others, and a stop stops."""
    server = start("epoll-workers", "--workers", "2", "--timeout-graceful", "0.1")
    stuck = workers_of(server)[0]
    os.kill(stuck, signal.SIGSTOP)
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(1000)]
        for client in clients:
            client.send(b"PING\n")
        # Of the last ten, all that the channel of the stuck one does not take are served.
        ready = select.poll()
        for client in clients[-10:]:
            ready.register(client.fileno(), select.POLLIN)
        assert eventually(lambda: len(ready.poll(0)) >= 9, timeout=5)
        server.signal()
        assert 0 == server.exit_status(within=PATIENCE)
    assert all_end([stuck])


def test_workers_may_be_threads(start: Start) -> None:
    """With pages of their own, in one process."""
    server = start("epoll-workers", "--workers", "2", "--threads")
    assert [] == workers_of(server)
    with ExitStack() as stack:
        join(stack, server, 6)
        expected = {"acceptor": 0.0, "0": 3.0, "1": 3.0}
        assert expected == by_worker(server, "server_active_connections")
        assert ["acceptor"] == list(by_worker(server, "process_open_fds"))
    assert 0 == server.stop()


def test_there_is_a_worker_for_each_cpu(start: Start) -> None:
    """For each that may be used, not for each there is."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    server = start("epoll-workers", "--cpus", ",".join(map(str, cpus)))
    assert len(cpus) == len(workers_of(server))
    assert 0 == server.stop()


def test_a_reactor_is_alone_unless_asked(start: Start) -> None:
    """It has no workers, and no label for them."""
    server = start("reactor")
    assert [] == workers_of(server)
    assert "worker=" not in server.get()[1]
    assert b"PONG\n" == server.converse(b"PING\n")
    assert 0 == server.stop()


@MODELS
@pytest.mark.parametrize("occupation", [b"", b"WAIT 3600\n", b"BURN 100000000000\n"])
@pytest.mark.parametrize("asked", [False, True], ids=["running", "stopping"])
def test_no_worker_outlives_its_parent(
    start: Start, name: str, occupation: bytes, asked: bool
) -> None:
    """Killed at any time, also during a stop: workers have their grace, and end."""
    server = start(name, "--workers", "2", "--timeout-graceful", "0.3")
    workers = workers_of(server)
    assert 2 == len(workers)
    with ExitStack() as stack:
        clients = [stack.enter_context(server.get_in(occupation)) for _ in range(4)]
        if asked:
            server.signal()
        server.signal(signal.SIGKILL)
        server.exit_status(within=PATIENCE)
        assert all_end(workers)
        for client in clients:
            assert b"" == client.read_until_cut()


def test_workers_do_not_outlive_a_stop(start: Start) -> None:
    """Nor are they made to go before what they do is done."""
    server = start("epoll-workers", "--workers", "2")
    workers = workers_of(server)
    with ExitStack() as stack:
        clients = [stack.enter_context(server.get_in(b"WAIT 0.2\nPING\n")) for _ in range(4)]
        server.signal()
        for client in clients:
            assert b"DONE\nPONG\n" == client.read_all()
        assert 0 == server.exit_status(within=PATIENCE)
    assert [] == workers_of(server)
    assert all_end(workers)
