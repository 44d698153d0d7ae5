"""The bare protocols: what is measured as a limit has to answer rightly, too."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.bare import RUN
from bench.intake import RESET_ON_CLOSE
from bench.servers import connect, running
from bench.targets import LOOPS

ROOT = Path(__file__).resolve().parents[2]
PING, PONG = b"PING\n", b"PONG\n"


@pytest.fixture(params=RUN)
def port(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where each of them serves in its turn; it has answered one PING."""
    monkeypatch.chdir(ROOT)
    command = [sys.executable, "-m", "bench.bare", request.param, "{port}"]
    with running(command, *os.sched_getaffinity(0)) as server:
        yield server.port


def replies(client: socket.socket, count: int) -> bytes:
    """Read so many replies."""
    with client.makefile("rb") as reader:
        return reader.read(count * len(PONG))


def test_every_loop_has_a_bare_protocol() -> None:
    """By the name that our server knows it by."""
    assert set(LOOPS) == set(RUN)


def test_it_answers_every_ping(port: int) -> None:
    """One at a time, 64 at once, cut anywhere, of several clients; and it ends with the client."""
    with connect(port) as client, connect(port) as other:
        for one in (client, other, client):
            one.sendall(PING)
            assert PONG == replies(one, 1)
        client.sendall(PING * 64)
        assert PONG * 64 == replies(client, 64)
        for part in (b"PING\nPI", b"NG\nPI", b"NG\n"):
            client.sendall(part)
            assert PONG == replies(client, 1)
        client.shutdown(socket.SHUT_WR)
        assert b"" == client.recv(1)


def test_it_outlives_its_clients(port: int) -> None:
    """Also one that is torn away with a reply on its way, as those of the load are."""
    with connect(port) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        client.sendall(PING * 64)
    with connect(port) as client:
        client.sendall(PING)
        assert PONG == replies(client, 1)
