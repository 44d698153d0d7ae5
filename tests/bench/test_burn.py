"""The client that asks for BURNs, and believes no reply."""

import socket
from collections.abc import Iterator

import pytest

from bench.burn import Burners, burn_reply, burners
from bench.machine import BenchError

from .fake_server import FakeServer

BURN = b"BURN 10\n"
RESULT = b"RESULT 55\n"


@pytest.fixture
def pair() -> Iterator[tuple[Burners, socket.socket]]:
    """One client, and the server's end of its connection."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    with ours, theirs:
        clients = Burners([ours], 10)
        yield clients, theirs
        clients.close()


def receive(clients: Burners) -> bool:
    """Have the one client take in what has come."""
    (fd,) = clients.sockets
    return clients.receive(fd)


@pytest.mark.parametrize("iterations", [0, 1, 2, 1000])
def test_the_reply_is_known_beforehand(iterations: int) -> None:
    """It is what counting gives."""
    assert b"RESULT %d\n" % sum(range(iterations + 1)) == burn_reply(iterations)


def test_it_asks_at_once_and_again(pair: tuple[Burners, socket.socket]) -> None:
    """With one request in flight at any time."""
    clients, server = pair
    assert server.recv(100) == BURN
    server.sendall(RESULT)
    assert receive(clients)
    assert server.recv(100) == BURN


def test_a_reply_may_come_in_pieces(pair: tuple[Burners, socket.socket]) -> None:
    """It counts when it is whole, and not before."""
    clients, server = pair
    for byte in RESULT[:-1]:
        server.sendall(bytes([byte]))
        assert not receive(clients)
    server.sendall(RESULT[-1:])
    assert receive(clients)
    server.sendall(RESULT)
    assert receive(clients)


@pytest.mark.parametrize(
    "reply", [b"RESULT 56\n", b"RESULT 5\n", b"R\n", b"SERVER_BUSY\n", RESULT + RESULT, b"\xff"]
)
def test_a_wrong_reply_is_no_reply(pair: tuple[Burners, socket.socket], reply: bytes) -> None:
    """Neither are two where one was asked for."""
    clients, server = pair
    server.sendall(reply)
    with pytest.raises(BenchError, match="BURN 10 was answered with '"):
        receive(clients)


@pytest.mark.parametrize("before", [b"", RESULT[:-1]])
def test_a_lost_connection_is_no_reply(pair: tuple[Burners, socket.socket], before: bytes) -> None:
    """Also in the middle of one."""
    clients, server = pair
    if before:
        server.sendall(before)
        assert not receive(clients)
    server.close()
    with pytest.raises(BenchError, match="BURN 10 was answered with the end"):
        receive(clients)


def test_it_drives_a_server() -> None:
    """It has counted all that were answered, but for those still on their way."""
    with FakeServer() as server, burners(server.port, 4, 1000) as clients:
        counts: list[int] = []
        while not sum(counts):
            count, spent = clients.drive(0.01)
            counts.append(count)
            assert spent >= 0.01
    assert sum(counts) <= server.answered <= sum(counts) + 4


def test_one_lie_among_many_is_found() -> None:
    """However long it was to go on."""
    with (
        FakeServer(lie_at=50) as server,
        burners(server.port, 4, 1000) as clients,
        pytest.raises(BenchError, match="BURN 1000 was answered with 'RESULT 500501"),
    ):
        clients.drive(3600)
    assert server.answered >= 50
