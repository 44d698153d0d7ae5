"""The flags that say what an argument may be."""

import time

import pytest

from .process import Server, Share


@pytest.fixture
def limited(share: Share) -> Server:
    """A server with low limits."""
    limits = ("--limit-wait", "0.5", "--limit-burn", "1000", "--limit-stream", "70000")
    return share(*limits)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (b"WAIT 0.1", b"DONE\n"),
        (b"WAIT 0.5", b"DONE\n"),
        (b"BURN 1000", b"RESULT 500500\n"),
        (b"STREAM 70000", b"A" * 70_000 + b"DONE\n"),
    ],
)
def test_up_to_its_limit_a_command_is_carried_out(
    limited: Server, request_: bytes, reply: bytes
) -> None:
    """The limit itself is allowed."""
    assert (reply == limited.converse(request_ + b"\n")) is True


@pytest.mark.parametrize(
    "request_",
    [
        b"WAIT 0.51",
        b"WAIT 1",
        b"WAIT 0.5000001",
        b"BURN 1001",
        b"STREAM 70001",
        b"BURN " + b"9" * 400,
    ],
    ids=lambda request_: ascii(request_[:24]),
)
def test_over_its_limit_a_command_is_refused(limited: Server, request_: bytes) -> None:
    """One more is INVALID_ARGUMENT, and the connection goes on."""
    assert b"INVALID_ARGUMENT\nPONG\n" == limited.converse(request_ + b"\nPING\n")


def test_waits_can_be_counted_in_milliseconds(share: Share) -> None:
    """``--wait-unit ms`` reads WAIT in milliseconds, fractions too; the limit stays in seconds."""
    server = share("--wait-unit", "ms", "--limit-wait", "2")
    began = time.monotonic()
    assert b"DONE\n" == server.converse(b"WAIT 250\n")
    assert 0.24 < time.monotonic() - began < 5
    assert b"DONE\nDONE\n" == server.converse(b"WAIT 0\nWAIT 0.5\n")
    assert b"INVALID_ARGUMENT\n" == server.converse(b"WAIT 2001\n")
