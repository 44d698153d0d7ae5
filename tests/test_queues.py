"""What the kernel says of a socket's queues, by byte."""

import select
import socket

import pytest

from dumb_async.hosting import received_bytes, unread_bytes, unsent_bytes

from .support import drain, fill

Pair = tuple[socket.socket, socket.socket]


def test_received_is_what_has_arrived_read_or_not(pair: Pair) -> None:
    """As tcp(7) counts it, to the byte."""
    client, server = pair
    assert 0 == received_bytes(server)
    for expected in (70, 140):
        client.send(b"x" * 70)
        select.select([server], [], [])
        assert expected == received_bytes(server)
        server.recv(30)
        assert expected == received_bytes(server)


def test_unread_is_what_has_arrived_and_was_not_read(pair: Pair) -> None:
    """An end of input is no byte."""
    client, server = pair
    assert 0 == unread_bytes(server)
    client.send(b"x" * 70)
    client.shutdown(socket.SHUT_WR)
    select.select([server], [], [])
    assert 70 == unread_bytes(server)
    server.recv(30)
    assert 40 == unread_bytes(server)


def test_unsent_is_what_the_client_has_not_taken(pair: Pair) -> None:
    """So that a slow reader's progress shows."""
    client, server = pair
    assert 0 == unsent_bytes(server)
    filled = fill(server)
    assert 0 < unsent_bytes(server) <= filled
    while filled:
        filled -= len(drain(client))
    assert 0 == unsent_bytes(server)


@pytest.mark.parametrize("ask", [received_bytes, unread_bytes, unsent_bytes])
def test_a_closed_socket_has_no_queues(pair: Pair, ask: object) -> None:
    """Which is an error of the network, whatever fcntl calls it."""
    pair[1].close()
    assert callable(ask)
    with pytest.raises(OSError, match=r"closed|Bad file descriptor"):
        ask(pair[1])
