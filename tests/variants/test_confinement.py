"""``--cpus`` and ``--memory-limit``: what a model may use, and what happens at its end."""

import os
import re
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from dumb_async.hosting.resources import HEADROOM

from ..conformance.client import PATIENCE, eventually
from ..conformance.process import Server
from ..test_memory import is_read
from .conftest import Start
from .test_epoll_workers import workers_of

MIB: Final = 2**20
#: Bytes of an unfinished line that a client makes the server hold.
BURDEN: Final = MIB
#: More clients than have room.
MANY: Final = 64
#: An arena of malloc for each thread is 64 MiB of address space, or not, by chance.
ENV: Final = {"MALLOC_ARENA_MAX": "1"}

#: By model: bytes for clients beside what the server has, and its flags. That of the tutorial
#: refuses nobody, see `variants.common.tutorial.LACKS`.
ROOM: Final = {
    "threads": 48 * MIB,  # a stack for each
    "select": 6 * MIB,
    "epoll": 6 * MIB,
    "epoll-workers": 6 * MIB,
    "reactor": 6 * MIB,
    "coro": 6 * MIB,
    "nested": 6 * MIB,
}
FLAGS: Final = {"epoll-workers": ("--workers", "2")}


def status_of(pid: int, name: str) -> str:
    """A field of /proc/PID/status (proc_pid_status(5))."""
    match = re.search(rf"^{name}:\s+(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert match
    return match[1]


@pytest.mark.parametrize("name", ["iterative", "threads", "epoll", "streams", "nested"])
def test_a_server_runs_where_it_is_told_to(start: Start, name: str) -> None:
    """With all of its threads."""
    cpu = str(max(os.sched_getaffinity(0)))
    server = start(name, "--cpus", cpu)
    with server.get_in() as client:
        tasks = [int(task.name) for task in Path(f"/proc/{server.pid}/task").iterdir()]
        assert {cpu} == {status_of(task, "Cpus_allowed_list") for task in tasks}
        assert b"PONG\n" == client.ask(b"PING")
    assert 0 == server.stop()


def test_workers_run_where_they_are_told_to(start: Start) -> None:
    """There is one for each CPU that there is for them."""
    cpu = str(min(os.sched_getaffinity(0)))
    server = start("epoll-workers", "--cpus", cpu)
    (worker,) = workers_of(server)
    assert [cpu, cpu] == [status_of(pid, "Cpus_allowed_list") for pid in (server.pid, worker)]
    assert 0 == server.stop()


def size_of(server: Server) -> int:
    """Bytes of address space that its largest process uses."""
    pids = [server.pid, *workers_of(server)]
    return max(int(status_of(pid, "VmSize").removesuffix(" kB")) * 1024 for pid in pids)


def warm_up(server: Server) -> None:
    """Have it use what it uses once and for all."""
    for _ in range(2):  # as many as there are workers
        assert b"PONG\nDONE\n" == server.converse(b"PING\nWAIT 0\n")
    server.samples()


def limited(start: Start, name: str, room: int) -> Server:
    """A server that has so many bytes for its clients, beside what it needs for itself."""
    flags = (*FLAGS.get(name, ()), "--limit-line", str(1024 * MIB))
    server = start(name, *flags, env=ENV)
    warm_up(server)
    limit = size_of(server) + HEADROOM + room
    assert 0 == server.stop()
    server = start(name, *flags, "--memory-limit", str(limit), env=ENV)
    warm_up(server)
    return server


def connect(stack: ExitStack, server: Server) -> socket.socket:
    """A new client."""
    return stack.enter_context(socket.create_connection(server.address, PATIENCE))


def ask(client: socket.socket, request: bytes) -> bytes:
    """Send a request; return what comes first in reply."""
    client.sendall(request)
    return client.recv(100)


def fill(server: Server, stack: ExitStack) -> list[socket.socket]:
    """Burden it with unfinished lines until a client is refused; those who are in."""
    clients: list[socket.socket] = []
    for _ in range(MANY):
        client = connect(stack, server)
        reply = ask(client, b"PING\n")
        if reply != b"PONG\n":
            assert b"SERVER_BUSY\n" == reply
            return clients
        clients.append(client)
        client.sendall(b"x" * BURDEN)
        while not is_read(client):
            pass
    raise AssertionError("nobody was refused")


def refused(server: Server) -> float:
    """How many it has refused or lost as there was no memory, or no thread, for them."""
    samples = server.samples()
    name = "server_rejected_connections_total"
    return sum(samples.get(f'{name}{{reason="{why}"}}', 0) for why in ("memory", "threads"))


def active(server: Server) -> float:
    """How many clients it says it has."""
    return server.samples()["server_active_connections"]


@pytest.mark.parametrize("name", [*ROOM])
def test_who_does_not_fit_in_is_refused(start: Start, name: str) -> None:
    """Told and counted; who is in is served to the end; who leaves makes room again."""
    server = limited(start, name, ROOM[name])
    for _ in range(2):
        before = refused(server)
        with ExitStack() as stack:
            clients = fill(server, stack)
            assert clients
            assert before + 1 == refused(server)
            assert len(clients) == active(server)
            for client in clients:
                client.sendall(b"\nPING\n")
                client.shutdown(socket.SHUT_WR)
                assert b"UNKNOWN_COMMAND\nPONG\n" == client.makefile("rb").read()
        assert eventually(lambda: active(server) == 0)
    assert b"PONG\n" == server.converse(b"PING\n")
    assert 0 == server.stop()
    assert 2 == len(server.stderr.splitlines()), server.stderr


@pytest.mark.parametrize("name", ["iterative", *ROOM])
def test_who_wants_all_there_is_loses_its_connection(start: Start, name: str) -> None:
    """Nobody else does, and nothing is said of it but a number."""
    server = limited(start, name, ROOM.get(name, 6 * MIB))
    with ExitStack() as stack:
        others = [] if name == "iterative" else [connect(stack, server) for _ in range(2)]
        for other in others:
            assert b"PONG\n" == ask(other, b"PING\n")
        greedy = connect(stack, server)
        with pytest.raises(ConnectionError):
            greedy.sendall(b"x" * 128 * MIB)
        for other in others:
            assert b"PONG\n" == ask(other, b"PING\n")
    assert eventually(lambda: refused(server) >= 1), server.samples()
    assert b"PONG\n" == server.converse(b"PING\n")
    assert eventually(lambda: active(server) == 0)
    assert 0 == server.stop()
    assert 2 == len(server.stderr.splitlines()), server.stderr
