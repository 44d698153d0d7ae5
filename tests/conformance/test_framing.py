"""However the bytes are cut, and wherever they end, the same requests get the same replies."""

import itertools
import random
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from .client import PATIENCE
from .process import Server

MIX = (
    b"PING\nBURN 300\nWAIT 0.01\nSTREAM 10\nPINGPONG\nBURN x\r\nWAIT 0\n\nBURN 100000\r\n"
    b"STREAM 70000\nPI\x00NG\n\xff\xfe\n\r\nWAIT 1_0\nSTREAM 0\nPING\r\r\nPING \nPING\n"
)
MIX_REPLIES = (
    b"PONG\nRESULT 45150\nDONE\nAAAAAAAAAADONE\nUNKNOWN_COMMAND\nINVALID_ARGUMENT\nDONE\n"
    b"UNKNOWN_COMMAND\nRESULT 5000050000\n" + b"A" * 70_000 + b"DONE\nUNKNOWN_COMMAND\n"
    b"UNKNOWN_COMMAND\nUNKNOWN_COMMAND\nINVALID_ARGUMENT\nDONE\nUNKNOWN_COMMAND\n"
    b"INVALID_ARGUMENT\nPONG\n"
)

SCRAPS = (
    b"PING", b"WAIT 0\n", b"BURN ", b"STREAM 3", b"\n", b"\n", b"\r", b"\x00", b" ", b"7",
    b"x" * 300, b"\xff",
)  # fmt: skip

GRAMMAR = re.compile(
    rb"(?:(?:PONG|DONE|A+DONE|RESULT [0-9]+|UNKNOWN_COMMAND|INVALID_ARGUMENT)\n)*"
    rb"(?:LINE_TOO_LONG\n)?"
)

Cut = Callable[[bytes], Iterator[bytes]]


def whole(data: bytes) -> Iterator[bytes]:
    """All at once."""
    yield data


def by_the_byte(data: bytes) -> Iterator[bytes]:
    """Each byte alone."""
    return (data[at : at + 1] for at in range(len(data)))


def by_sevens(data: bytes) -> Iterator[bytes]:
    """Seven bytes at a time, across the ends of lines."""
    return (data[at : at + 7] for at in range(0, len(data), 7))


def growing(data: bytes) -> Iterator[bytes]:
    """One byte, two, three and so on."""
    sizes = itertools.accumulate(itertools.count(1), initial=0)
    for start, stop in itertools.pairwise(sizes):
        if start >= len(data):
            return
        yield data[start:stop]


def before_line_feeds(data: bytes) -> Iterator[bytes]:
    """Each line without its end, which comes with the next line."""
    first, *others = data.split(b"\n")
    yield first
    yield from (b"\n" + other for other in others)


def at_random(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """Pieces of very different sizes."""
    start = 0
    while start < len(data):
        stop = start + chance.choice((1, 2, 5, 100, 1000))
        yield data[start:stop]
        start = stop


@pytest.mark.parametrize("cut", [whole, by_the_byte, by_sevens, growing, before_line_feeds])
def test_replies_do_not_depend_on_how_requests_are_cut(server: Server, cut: Cut) -> None:
    """Pipelined requests of all kinds are answered in order, under any fragmentation."""
    with server.connect() as client:
        client.send_in_pieces(cut(MIX))
        client.shutdown_write()
        assert MIX_REPLIES == client.read_all()


def test_garbage_gets_the_same_replies_however_it_is_cut(server: Server) -> None:
    """Whatever the bytes, replies are of the grammar and end with the connection."""
    chance = random.Random(7)
    for _ in range(25):
        garbage = b"".join(chance.choices(SCRAPS, k=chance.randrange(1, 60)))
        replies = server.converse(garbage)
        assert GRAMMAR.fullmatch(replies), garbage
        with server.connect() as client:
            client.send_in_pieces(at_random(garbage, chance))
            client.shutdown_write()
            assert replies == client.read_all(), garbage


def test_thousands_of_pipelined_requests_are_answered_in_order(server: Server) -> None:
    """None is lost, doubled or out of turn."""
    requests = b"".join(b"BURN %d\n" % count for count in range(3000))
    replies = b"".join(b"RESULT %d\n" % (count * (count + 1) // 2) for count in range(3000))
    assert replies == server.converse(requests)


def test_a_pipeline_longer_than_any_buffer_is_answered_to_its_end(server: Server) -> None:
    """A client may ask more than the server is willing to keep: it is made to wait."""
    requests = b"PING\nSTREAM 50\n" * 30_000
    replies = b"PONG\n" + b"A" * 50 + b"DONE\n"
    with server.connect() as client:

        def send() -> None:
            client.send(requests)
            client.shutdown_write()

        sender = threading.Thread(target=send)
        sender.start()
        got = client.read_all()
        sender.join()
    # Not compared in an assertion, whose report would take longer than the test.
    assert len(replies) * 30_000 == len(got)
    assert {replies} == {got[at : at + len(replies)] for at in range(0, len(got), len(replies))}


@pytest.mark.parametrize(
    ("requests", "replies"),
    [
        (b"", b""),
        (b"PING\n", b"PONG\n"),
        (b"WAIT 0.2\n", b"DONE\n"),
        (b"WAIT 0.1\nWAIT 0.1\nPING\n", b"DONE\nDONE\nPONG\n"),
        (b"STREAM 3000000\n", b"A" * 3_000_000 + b"DONE\n"),
        (b"BURN 1000000\n", b"RESULT 500000500000\n"),
        (b"nonsense\n", b"UNKNOWN_COMMAND\n"),
    ],
    ids=["nothing", "PING", "WAIT", "WAITs and PING", "STREAM", "BURN", "nonsense"],
)
def test_a_half_closed_client_gets_every_reply(
    server: Server, requests: bytes, replies: bytes
) -> None:
    """After the client's end of input all it asked for is answered, then the server closes."""
    assert (replies == server.converse(requests)) is True


def test_the_end_of_input_may_come_while_a_request_is_answered(server: Server) -> None:
    """It ends neither a WAIT nor a STREAM, and what was pipelined behind is answered, too."""
    with server.connect(receive_buffer=8192) as client:
        client.send(b"PING\nWAIT 0.2\nSTREAM 3000000\nPING\n")
        assert b"PONG\n" == client.read_line()
        client.shutdown_write()
        assert b"DONE\n" == client.read_line()
        assert (b"A" * 3_000_000 == client.read_exactly(3_000_000)) is True
        assert b"DONE\nPONG\n" == client.read_all()


@pytest.mark.parametrize("unfinished", [b"PING", b"PIN", b"WAIT 60", b"\r", b"PING\r", b"x" * 1024])
def test_an_unfinished_line_at_the_end_of_input_gets_no_reply(
    server: Server, unfinished: bytes
) -> None:
    """Only a line feed ends a request."""
    assert b"" == server.converse(unfinished)
    assert b"PONG\n" == server.converse(b"PING\n" + unfinished)


def test_connections_do_not_share_their_unfinished_lines(server: Server) -> None:
    """Half a line stays with the client who sent it, and dies with it."""
    with server.connect() as client:
        client.send(b"BURN 1")
    for _ in range(3):
        assert b"RESULT 6\n" == server.converse(b"BURN 3\nBURN")


def test_a_client_may_talk_for_long_after_it_was_silent(server: Server) -> None:
    """A pause in the middle of a line is nothing but a pause."""
    with server.connect() as client:
        client.send(b"PI")
        assert client.is_silent_for(0.1)
        client.send(b"NG\nBURN ")
        assert b"PONG\n" == client.read_line()
        assert client.is_silent_for(0.1)
        client.send(b"3\r")
        assert client.is_silent_for(0.05)
        client.send(b"\n")
        assert b"RESULT 6\n" == client.read_line()


@pytest.mark.skipif(shutil.which("nc") is None, reason="netcat is not installed")
@pytest.mark.parametrize(
    ("requests", "replies"),
    [(b"PING\n", b"PONG\n"), (b"WAIT 0.1\nBURN 3\n", b"DONE\nRESULT 6\n")],
    ids=["PING", "WAIT and BURN"],
)
def test_netcat_gets_its_replies(server: Server, requests: bytes, replies: bytes) -> None:
    """``echo PING | nc -N host port`` prints PONG and ends by itself."""
    host, port = server.address
    began = time.monotonic()
    ended = subprocess.run(
        ["nc", "-N", host, str(port)],
        input=requests,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (0, replies) == (ended.returncode, ended.stdout)
    assert time.monotonic() - began < 5
