"""Each command, its edge values, and every way to ask for none."""

import time
from collections.abc import Callable, Iterable

import pytest

from .process import Server

WELL_FORMED = {
    b"PING": b"PONG\n",
    b"WAIT 0": b"DONE\n",
    b"WAIT 0.0": b"DONE\n",
    b"WAIT 00.010": b"DONE\n",
    b"BURN 0": b"RESULT 0\n",
    b"BURN 1": b"RESULT 1\n",
    b"BURN 2": b"RESULT 3\n",
    b"BURN 007": b"RESULT 28\n",
    b"BURN 300": b"RESULT 45150\n",
    b"BURN 1000": b"RESULT 500500\n",
    b"BURN 1001": b"RESULT 501501\n",
    b"BURN 20000": b"RESULT 200010000\n",
    b"BURN 20001": b"RESULT 200030001\n",
    b"BURN 30000": b"RESULT 450015000\n",  # deeper than any recursion
    b"BURN 100000": b"RESULT 5000050000\n",
    b"BURN " + b"7".rjust(900, b"0"): b"RESULT 28\n",
    b"STREAM 0": b"DONE\n",
    b"STREAM 1": b"ADONE\n",
    b"STREAM 300": b"A" * 300 + b"DONE\n",
}

#: What is no number, or no single one, for any of the verbs that take one.
NO_NUMBERS = (
    b"", b" ", b" 5", b"5 ", b"5 5", b"5\t", b"\t5", b"5\r\r", b"5\x00", b"5\x0b",
    b"-5", b"+5", b"-0", b"--5", b"1_0", b"5,0", b"5s", b"0x10", b"1e9", b"1E3", b"abc",
    b"nan", b"NaN", b"inf", b"-inf", b"Infinity", b"True", b"None",
    b".5", b"5.", b".", b"1.2.3", b"1.-2", b"\xff", b"\xd9",
    "٣".encode(), "５".encode(), "²".encode(), "½".encode(), "\u00a05".encode(),
    b"9" * 900, b"-" + b"9" * 900,
)  # fmt: skip

INVALID = (
    *(b"%s %s" % (verb, text) for verb in (b"WAIT", b"BURN", b"STREAM") for text in NO_NUMBERS),
    b"WAIT", b"BURN", b"STREAM",
    b"BURN 1.5", b"BURN 1.0", b"STREAM 1.5", b"STREAM 1.0",
    b"WAIT 86400.1", b"WAIT 86401", b"BURN 1000000000001", b"STREAM 1000000000001",
    b"PING ", b"PING  ", b"PING 1", b"PING PING",
)  # fmt: skip

UNKNOWN = (
    b"", b" ", b"ping", b"Ping", b"PIN", b"PINGPONG", b"PINGPONG 1", b"PINGS", b" PING", b"PING\t",
    b"PING\r\r", b"\rPING", b"PING\rPING", b"BURNOUT 7", b"WAIT5", b"WAIT\t5", b"wait 5",
    b"STREAMS 5", b"PI\x00NG", b"PING\x00", b"\x00PING", b"\x00", b"\xff\xfe", b"\xffPING",
    b"PING\xff", "ПИНГ".encode(), "ＰＩＮＧ".encode(), b"PING\x0b", b"PING;PING", b"5",
    b"UNKNOWN_COMMAND", b"DONE", b"\\n", b"%s%n",
)  # fmt: skip


def unexpected(
    server: Server, requests: Iterable[bytes], end: bytes, reply: Callable[[bytes], bytes]
) -> list[tuple[bytes, bytes]]:
    """The requests, each on a connection of its own, that get another ``reply``; and which.

    Each is followed by a PING: whatever was asked, the connection goes on.
    """
    asked = ((request, server.converse(request + end + b"PING\n")) for request in requests)
    return [(request, got) for request, got in asked if got != reply(request) + b"PONG\n"]


ENDS = pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])


@ENDS
def test_a_well_formed_request_is_answered(server: Server, end: bytes) -> None:
    """Every command gives its reply, whichever way its line ends."""
    assert [] == unexpected(server, WELL_FORMED, end, WELL_FORMED.__getitem__)


@pytest.mark.parametrize("size", [70_000, 262_144, 262_145, 5_000_000])
def test_a_stream_has_as_many_characters_as_asked_for(server: Server, size: int) -> None:
    """A STREAM is so many letters A, no line feed among them, and then DONE."""
    with server.connect() as client:
        client.send(b"STREAM %d\nPING\n" % size)
        assert b"A" * size == client.read_exactly(size)
        assert b"DONE\n" == client.read_line()
        assert b"PONG\n" == client.read_line()


@pytest.mark.parametrize("duration", [b"0.25", b"0.250000000000000000001"])
def test_a_wait_lasts_as_long_as_asked_for(server: Server, duration: bytes) -> None:
    """DONE comes no sooner than after the seconds of the WAIT, and not much later."""
    with server.connect() as client:
        began = time.monotonic()
        assert b"DONE\n" == client.ask(b"WAIT " + duration)
        assert 0.24 < time.monotonic() - began < 5


@ENDS
def test_a_bad_argument_is_refused_and_the_connection_goes_on(server: Server, end: bytes) -> None:
    """A known verb with anything but one number in its range is INVALID_ARGUMENT."""
    assert [] == unexpected(server, INVALID, end, lambda _: b"INVALID_ARGUMENT\n")


@ENDS
def test_an_unknown_command_is_refused_and_the_connection_goes_on(
    server: Server, end: bytes
) -> None:
    """Verbs match as whole words, in upper case, at the start of the line, or not at all."""
    assert [] == unexpected(server, UNKNOWN, end, lambda _: b"UNKNOWN_COMMAND\n")


def test_thousands_of_errors_do_not_end_a_connection(server: Server) -> None:
    """However often a client errs, its next good request is answered."""
    requests = b"WAIT nan\n\nBURN -1\nping\n" * 1000 + b"PING\n"
    replies = b"INVALID_ARGUMENT\nUNKNOWN_COMMAND\n" * 2000 + b"PONG\n"
    assert replies == server.converse(requests)
