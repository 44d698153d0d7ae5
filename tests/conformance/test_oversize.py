"""Lines at the limit, over it, and what comes after them."""

import pytest

from .client import Client, eventually
from .process import Server, Share
from .servers import Need

LIMIT = 1024
TOO_LONG = b"LINE_TOO_LONG\n"

#: An overlong line whose tail must not be run, whatever the server does with the rest.
POISONED = b"x" * 2000 + b"\nPING\nBURN 3\n" + b"y" * 3000 + b"\nPING\n"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"x" * LIMIT, b"UNKNOWN_COMMAND\n"),
        (b"BURN " + b"3".rjust(LIMIT - 5, b"0"), b"RESULT 6\n"),
        (b"BURN " + b"9" * (LIMIT - 5), b"INVALID_ARGUMENT\n"),
        (b"WAIT 0." + b"0" * (LIMIT - 7), b"DONE\n"),
    ],
    ids=["unknown", "BURN", "invalid", "WAIT"],
)
def test_a_line_at_the_limit_is_a_line_like_any_other(
    server: Server, line: bytes, reply: bytes, end: bytes
) -> None:
    """The limit counts neither the line feed nor the carriage return before it."""
    assert LIMIT == len(line)
    assert reply + b"PONG\n" == server.converse(line + end + b"PING\n")


def test_a_line_at_the_limit_may_come_in_pieces(server: Server) -> None:
    """A carriage return after a full line may be the beginning of its end."""
    with server.connect() as client:
        client.send(b"x" * LIMIT + b"\r")
        assert client.is_silent_for(0.1)
        client.send(b"\nPING\n")
        assert b"UNKNOWN_COMMAND\n" == client.read_line()
        assert b"PONG\n" == client.read_line()


@pytest.mark.parametrize(
    "line",
    [
        b"x" * (LIMIT + 1) + b"\n",
        b"x" * (LIMIT + 1) + b"\r\n",
        b"x" * LIMIT + b"\r\r\n",
        b"BURN " + b"3".rjust(LIMIT - 4, b"0") + b"\n",
        b"\x00" * (LIMIT + 1) + b"\n",
        pytest.param(b"x" * 1_000_000 + b"\n", marks=pytest.mark.needs(Need.OVERSIZE)),
    ],
    ids=["LF", "CRLF", "CRCRLF", "BURN", "NUL", "1 MB"],
)
def test_a_line_over_the_limit_ends_the_connection(server: Server, line: bytes) -> None:
    """It is told so and then sees the end of input, without a reset."""
    with server.connect() as client:
        client.send(line)
        assert TOO_LONG == client.read_all()


@pytest.mark.needs(Need.OVERSIZE)
@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 2, 70_000, 1_000_000])
def test_a_line_need_not_end_to_be_too_long(server: Server, size: int) -> None:
    """Nobody waits for the end of a line that is over the limit already."""
    with server.connect() as client:
        client.send(b"x" * size)
        assert TOO_LONG == client.read_all()


@pytest.mark.needs(Need.LINGERING)
@pytest.mark.parametrize(
    "edge", [1, LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 2, 1999, 2000, 2001, 2005]
)
def test_the_tail_of_an_overlong_line_is_never_run(server: Server, edge: int) -> None:
    """Not a byte after the limit is read as a command, wherever the bytes are cut."""
    with server.connect() as client:
        client.send_in_pieces([POISONED[:edge], POISONED[edge:]])
        assert TOO_LONG == client.read_all()


@pytest.mark.needs(Need.LINGERING)
def test_the_tail_is_not_run_when_it_comes_byte_by_byte(server: Server) -> None:
    """Neither when every byte around the limit and around the line feeds is alone."""
    with server.connect() as client:
        client.send_in_pieces([POISONED[:1000]])
        client.send_in_pieces(POISONED[at : at + 1] for at in range(1000, 1050))
        client.send_in_pieces([POISONED[1050:1990]])
        client.send_in_pieces(POISONED[at : at + 1] for at in range(1990, 2020))
        assert TOO_LONG == client.read_all()


def test_requests_before_an_overlong_line_are_answered_first(server: Server) -> None:
    """The order of replies holds for the last one, too."""
    with server.connect() as client:
        client.send(b"PING\nWAIT 0.2\nBURN 300\nSTREAM 5\n" + POISONED)
        replies = b"PONG\nDONE\nRESULT 45150\nAAAAADONE\n"
        assert replies + TOO_LONG == client.read_all()


def test_a_half_closed_overlong_client_is_told_as_well(server: Server) -> None:
    """The end of input changes nothing."""
    assert b"PONG\n" + TOO_LONG == server.converse(b"PING\n" + POISONED)


@pytest.mark.needs(Need.LINGERING)
def test_what_is_sent_after_the_last_reply_does_not_turn_it_into_a_reset(server: Server) -> None:
    """The server reads away what still comes, for a while, so that the reply gets through."""
    with server.connect() as client:
        client.send(POISONED)
        for _ in range(20):
            client.send(b"PING\n" * 10_000)
        assert TOO_LONG == client.read_all()


def test_nobody_is_read_away_for_ever(server: Server) -> None:
    """A client that goes on sending after its last reply is cut off in the end."""
    with server.connect() as client:
        client.send(POISONED)
        assert TOO_LONG == client.read_all()
        assert eventually(lambda: _is_cut(client))


@pytest.mark.needs(Need.OVERSIZE)
def test_the_limit_can_be_set(share: Share) -> None:
    """``--limit-line`` is in bytes, without the end of the line."""
    server = share("--limit-line", "8")
    assert b"RESULT 6\nUNKNOWN_COMMAND\n" == server.converse(b"BURN 003\r\n12345678\n")
    assert b"PONG\n" + TOO_LONG == server.converse(b"PING\n123456789\nPING\n")
    with server.connect() as client:
        client.send(b"123456789")
        assert TOO_LONG == client.read_all()


def _is_cut(client: Client) -> bool:
    try:
        client.send(b"y" * 1000)
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False
