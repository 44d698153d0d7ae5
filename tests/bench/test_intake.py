"""A crowd that comes at once, without a server that could be slow."""

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from bench import intake, servers
from bench.intake import Crowd, gather
from bench.machine import BenchError

PING, PONG = b"PING\n", b"PONG\n"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somewhere to connect to; nobody accepts before the test does."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        listener.settimeout(10)
        yield listener


def accepted(listener: socket.socket, crowd: Crowd) -> socket.socket:
    """Accept a client and take in its PING."""
    client, _ = listener.accept()
    client.setblocking(False)
    data = b""
    while data != PING:
        crowd.look()
        with suppress(BlockingIOError):
            data += client.recv(100)
            assert PING.startswith(data)
    client.settimeout(10)
    return client


def look_until(crowd: Crowd, answered: int) -> None:
    """Have the crowd go on until so many have their PONG."""
    while crowd.answered < answered:
        crowd.look()


def test_each_client_is_answered(listener: socket.socket) -> None:
    """One counts from its connect until its PONG is in."""
    with Crowd(listener.getsockname()) as crowd, ExitStack() as held:
        for _ in range(6):
            crowd.connect()
        assert (6, 0) == (crowd.waiting, crowd.answered)
        addresses = set()
        for number in range(6):
            client = held.enter_context(accepted(listener, crowd))
            addresses.add(client.getpeername()[0])
            client.sendall(PONG)
            look_until(crowd, number + 1)
        assert (0, 6) == (crowd.waiting, crowd.answered)
    assert set(intake.SOURCES) == addresses


def test_they_go_when_the_block_ends(listener: socket.socket) -> None:
    """At once, and their ports are free again."""
    with Crowd(listener.getsockname()) as crowd:
        crowd.connect()
        client = accepted(listener, crowd)
    with client, pytest.raises(ConnectionResetError):
        client.recv(100)


@pytest.mark.parametrize("reply", [b"SERVER_BUSY\n", b"PONG\nPONG\n", b""])
def test_who_is_turned_away_is_not_taken_in(listener: socket.socket, reply: bytes) -> None:
    """Nor is one whose connection ends, or who has too much."""
    with Crowd(listener.getsockname()) as crowd:
        crowd.connect()
        with accepted(listener, crowd) as client:
            client.sendall(reply)
        with pytest.raises(BenchError, match="a client was answered with"):
            look_until(crowd, 1)


def test_no_more_wait_than_the_listen_queue_holds(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody is answered, nobody else comes; and it does not wait for ever."""
    monkeypatch.setattr(intake, "AT_A_TIME", 3)
    port: int = listener.getsockname()[1]
    with pytest.raises(BenchError, match="0 of 10 were answered in 0 s"):
        gather(port, 10, within_s=0.2)
    listener.setblocking(False)
    for _ in range(3):
        listener.accept()[0].close()
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_who_may_not_hold_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told so before anybody connects."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10_000, 20_000))
    servers.check_descriptors(9_900)
    with pytest.raises(BenchError, match="10000 connections do not fit in the descriptor limit"):
        servers.check_descriptors(intake.CLIENTS)
