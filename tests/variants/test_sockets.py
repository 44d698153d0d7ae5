"""A client's socket, as a session sees it, whether it blocks or not."""

import socket
from collections.abc import Iterator

import pytest

from variants.common.sockets import SocketStream

from ..support import BRIEFLY, PATIENCE, drain, fill, reset

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def stream(pair: Pair) -> Iterator[SocketStream]:
    """The server's end of the pair."""
    stream = SocketStream(pair[1])
    yield stream
    stream.sock.close()


def run(coroutine: object) -> None:
    """Run what never suspends."""
    with pytest.raises(StopIteration):
        coroutine.send(None)  # type: ignore[attr-defined]


def test_what_is_written_is_taken(pair: Pair, stream: SocketStream) -> None:
    """All of it at once, if there is room."""
    assert stream.write(b"hello")
    assert 0 == len(stream.unwritten)
    pair[0].settimeout(PATIENCE)
    assert b"hello" == pair[0].recv(100)


def test_what_there_is_no_room_for_is_kept(pair: Pair, stream: SocketStream) -> None:
    """And can be written from where it was left."""
    client, server = pair
    filled = fill(server)
    assert not stream.write(b"hello")
    assert b"hello" == bytes(stream.unwritten)
    taken = bytearray()
    while stream.unwritten:
        taken += drain(client)
        stream.write(stream.unwritten)
    client.settimeout(PATIENCE)
    while len(taken) < filled + 5:
        taken += client.recv(1_000_000)
    assert b"hello" == taken[filled:]


def test_a_part_that_is_taken_is_not_kept(pair: Pair, stream: SocketStream) -> None:
    """The rest is."""
    data = bytes(range(256)) * 200_000
    assert not stream.write(data)
    sent = len(data) - len(stream.unwritten)
    assert 0 < sent < len(data)
    assert data[sent : sent + 10] == bytes(stream.unwritten[:10])
    taken = bytearray()
    pair[0].settimeout(PATIENCE)
    while len(taken) < sent:
        taken += pair[0].recv(1_000_000)
    assert (data[:sent] == taken) is True


def test_a_write_to_a_connection_that_is_lost_says_so(pair: Pair, stream: SocketStream) -> None:
    """Sooner or later."""
    reset(pair[0])
    with pytest.raises(ConnectionError):
        stream.write(b"x")


def test_what_is_in_the_kernel_is_counted(pair: Pair, stream: SocketStream) -> None:
    """On its way in, and on its way out."""
    client, _ = pair
    assert (0, 0) == (stream.unread(), stream.unsent())
    client.send(b"hello")
    stream.sock.settimeout(PATIENCE)
    stream.sock.recv(2)
    assert 3 == stream.unread()
    stream.sock.setblocking(False)
    filled = fill(stream.sock)
    assert 0 < stream.unsent() <= filled


def test_an_input_is_ended_for_who_reads(stream: SocketStream) -> None:
    """An end can be read; what is written still arrives."""
    stream._reading = True
    stream.feed_eof()
    assert b"" == stream.sock.recv(10)
    assert stream.write(b"hello")


def test_the_socket_of_who_does_not_read_is_left_alone(pair: Pair, stream: SocketStream) -> None:
    """It is told when it begins to."""
    stream.feed_eof()
    assert stream._ended
    with pytest.raises(BlockingIOError):
        stream.sock.recv(10)
    pair[0].settimeout(BRIEFLY)
    with pytest.raises(TimeoutError):
        pair[0].recv(10)


def test_who_is_cancelled_neither_reads_nor_writes(pair: Pair, stream: SocketStream) -> None:
    """And the client hears of it."""
    stream.cancel()
    assert stream.cancelled
    assert b"" == stream.sock.recv(10)
    with pytest.raises(BrokenPipeError):
        stream.write(b"x")
    pair[0].settimeout(PATIENCE)
    assert b"" == pair[0].recv(10)


def test_a_client_that_was_faster_can_be_ended_and_cancelled(
    pair: Pair, stream: SocketStream
) -> None:
    """That is no error; nor is one whose socket is closed."""
    stream._reading = True
    reset(pair[0])
    for _ in range(2):
        stream.feed_eof()
        stream.cancel()
        stream.sock.close()


def test_to_open_and_close_takes_no_time(pair: Pair, stream: SocketStream) -> None:
    """The socket is closed with the stream."""
    run(stream.open())
    stream.wake()
    run(stream.aclose())
    assert -1 == stream.sock.fileno()
    pair[0].settimeout(PATIENCE)
    assert b"" == pair[0].recv(10)
