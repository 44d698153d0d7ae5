"""``--memory-limit`` for real: who does not fit in is refused, who is in is served to the end."""

import contextlib
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from socket import SHUT_WR, create_connection, socket

import pytest

from dumb_async.hosting.resources import HEADROOM

from .support import PATIENCE

#: Bytes of an unfinished line that a client makes the server hold.
BURDEN = 2**20
#: More clients than have room.
MANY = 64


class Process:
    """``python -m dumb_async`` in a process of its own, and what it says."""

    def __init__(self, *flags: str) -> None:
        self._process = subprocess.Popen(
            (
                sys.executable, "-m", "dumb_async", "--port", "0", "--metrics-port", "0",
                "--limit-line", str(4 * BURDEN), *flags,
            ),
            cwd=Path(__file__).parents[1],
            # An arena of malloc for each thread is 64 MiB of address space, or not, by chance.
            env={**os.environ, "MALLOC_ARENA_MAX": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert self._process.stderr is not None
        self._errors = self._process.stderr
        self._said = self._errors.readline()

    @property
    def size(self) -> int:
        """Bytes of address space in use."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        match = re.search(r"VmSize:\s+(\d+) kB", status)
        assert match
        return int(match[1]) * 1024

    def connect(self) -> socket:
        """A new connection."""
        match = re.search(r"serves on (\S+):(\d+)", self._said)
        assert match, self._said
        return create_connection((match[1], int(match[2])), PATIENCE)

    def scrape(self) -> dict[str, float]:
        """The samples on the metrics page."""
        match = re.search(r"metrics on (\S+)", self._said)
        assert match, self._said
        with urllib.request.urlopen(match[1], None, PATIENCE) as page:
            lines = page.read().decode().splitlines()
        samples = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
        return {name: float(value) for name, value in samples}

    def stop(self) -> list[str]:
        """Stop it gracefully; return what it has said since."""
        self._process.terminate()
        said = self._errors.read()
        assert 0 == self._process.wait(PATIENCE)
        return said.splitlines()

    def kill(self) -> None:
        """End it, however it is."""
        self._process.kill()
        self._process.wait()
        self._errors.close()


@contextlib.contextmanager
def serving(*flags: str) -> Iterator[Process]:
    """A server that does not outlive the test."""
    process = Process(*flags)
    try:
        yield process
    finally:
        process.kill()


def ask(client: socket, request: bytes) -> bytes:
    """Send a request; return what comes first in reply."""
    client.sendall(request)
    return client.recv(100)


def is_read(client: socket) -> bool:
    """Whether the server has read all that the client has sent (proc_net_tcp)."""
    sent = arrived = False
    ports = [f":{address[1]:04X}" for address in (client.getpeername(), client.getsockname())]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if [local[-5:], remote[-5:]] == ports:  # the server's end of it
            arrived = queues.endswith(":00000000")
        elif [remote[-5:], local[-5:]] == ports:
            sent = queues.startswith("00000000:")
    return sent and arrived


def limited(loop: str, stack: ExitStack) -> Process:
    """A server with room for a few burdens beside what it needs for itself, metrics and all."""
    with serving("--loop", loop) as process:
        warm_up(process)
        limit = process.size + HEADROOM + 6 * BURDEN
    process = stack.enter_context(serving("--loop", loop, "--memory-limit", str(limit)))
    warm_up(process)
    return process


def warm_up(process: Process) -> None:
    """Have it use what it uses once and for all."""
    with process.connect() as client:
        assert b"PONG\n" == ask(client, b"PING\n")
    process.scrape()


def fill(process: Process, stack: ExitStack) -> list[socket]:
    """Burden it with unfinished lines until a client is refused; return those who are in."""
    clients: list[socket] = []
    for _ in range(MANY):
        client = stack.enter_context(process.connect())
        reply = ask(client, b"PING\n")
        if reply != b"PONG\n":
            assert b"SERVER_BUSY\n" == reply
            return clients
        clients.append(client)
        client.sendall(b"x" * BURDEN)
        while not is_read(client):
            pass
    raise AssertionError("nobody was refused")


LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])


@LOOPS
def test_who_does_not_fit_in_is_refused(loop: str) -> None:
    """Told and counted; who is in is served, and nothing is said of errors."""
    with ExitStack() as stack:
        process = limited(loop, stack)
        clients = fill(process, stack)
        assert clients
        samples = process.scrape()
        assert 1 == samples['server_rejected_connections_total{reason="memory"}']
        assert 0 == samples['server_rejected_connections_total{reason="busy"}']
        assert len(clients) == samples["server_active_connections"]
        for client in clients:
            client.sendall(b"\nPING\n")
            client.shutdown(SHUT_WR)
            assert b"UNKNOWN_COMMAND\nPONG\n" == client.makefile("rb").read()
        (said,) = process.stop()
    assert "SIGTERM: stopping" in said


@LOOPS
def test_who_leaves_makes_room_again(loop: str) -> None:
    """Though the C library and the interpreter keep what they have once had."""
    with ExitStack() as stack:
        process = limited(loop, stack)
        for _ in range(3):
            with ExitStack() as clients:
                assert fill(process, clients)
            while process.scrape()["server_active_connections"]:
                pass
        with process.connect() as client:
            assert b"PONG\n" == ask(client, b"PING\n")


@pytest.mark.parametrize("size", ["0", "1K", "1M"])
def test_a_server_that_does_not_fit_in_itself_says_so(size: str) -> None:
    """In one line, with exit status 1."""
    ended = subprocess.run(
        [sys.executable, "-m", "dumb_async", "--port", "0", "--memory-limit", size],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (1, "") == (ended.returncode, ended.stdout)
    (line,) = ended.stderr.splitlines()
    assert re.fullmatch(r"dumb_async: a memory limit of \d+ bytes is less than .*", line)
