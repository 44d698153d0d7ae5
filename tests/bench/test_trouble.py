"""Clients that misbehave, seen from a server that does nothing by itself."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from bench.trouble import PipelinedBurns

BURN, RESULT = b"BURN 1000\n", b"RESULT 500500\n"


@pytest.fixture
def burns() -> Iterator[tuple[PipelinedBurns, list[socket.socket]]]:
    """Four clients, and the server's ends of their connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as held:
        listener.settimeout(10)
        trouble = PipelinedBurns(listener.getsockname()[1])
        theirs = [held.enter_context(listener.accept()[0]) for _ in trouble.sockets]
        for sock in trouble.sockets:
            held.enter_context(sock)
        held.callback(trouble.selector.close)
        yield trouble, theirs


def asked(server: socket.socket, count: int) -> bytes:
    """Read so many BURNs, and be sure that there are no more."""
    server.settimeout(10)
    with server.makefile("rb") as reader:
        data = reader.read(count * len(BURN))
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(1)
    return data


def test_256_burns_are_in_flight(burns: tuple[PipelinedBurns, list[socket.socket]]) -> None:
    """For each client, from the beginning on: who is answered asks anew."""
    trouble, servers = burns
    for server in servers:
        assert BURN * 256 == asked(server, 256)
    servers[2].sendall(RESULT * 3 + RESULT[:-1])
    while trouble.done() < 3:
        trouble.turn()
    assert BURN * 3 == asked(servers[2], 3)
    servers[2].sendall(RESULT[-1:])
    while trouble.done() < 4:
        trouble.turn()
    assert BURN == asked(servers[2], 1)
