"""HTTP, TLS and SSH on our port: told so in one line, and nothing of it is run."""

import pytest

from dumb_async import Service, dumb_service
from dumb_async.protocol import Close, Config

from .driver import drive
from .test_limits import chunkings

WRONG = b"WRONG_PROTOCOL\n"

#: What a browser sends for a form, or `fetch`, of any web page.
POST = (
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1:8090\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 8\r\n\r\n\nBURN 5\n"
)
#: The beginning of a ClientHello, with a line feed in it.
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00\nPING\n"

FOREIGN = [
    (POST, "http"), (b"GET / HTTP/1.1\r\n\r\n", "http"), (b"HEAD / HTTP/1.0\n", "http"),
    (b"OPTIONS * HTTP/1.1\n", "http"), (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http"),
    (b"GET /\r\nPING\n", "http"), (b"PROPFIND / HTTP/1.1\nPING\n", "http"),
    (b"ping / HTTP/1.1\nPING\n", "http"), (b"GET\nPING\n", "http"), (b"Host: x\nPING\n", "http"),
    (b"SSH-2.0-OpenSSH_9.6\r\nPING\n", "ssh"), (HELLO, "tls"), (HELLO[:11], "tls"),
    (b"\x16\x03", "tls"), (b"\x16\x03\nPING\n", "tls"), (b"\x16\x03" + b"x" * 3000, "tls"),
]  # fmt: skip
OURS = [b"GETS", b"get /", b"POSTER x", b"SSH", b"ssh-2.0", b"\x16", b"\x16\x02", b"x\x16\x03",
        b"x HTTP/1.1", b"HTTP/1.1 200 OK"]  # fmt: skip


@pytest.mark.parametrize(("said", "why"), FOREIGN)
@pytest.mark.parametrize("before", [b"", b"PING\n", b"BURN 1\nPING\nPING\n", b"\r\n"])
def test_another_protocol_is_turned_away(said: bytes, why: str, before: bytes) -> None:
    """With one line, whatever came before; nothing after it is run, under every chunking."""
    config = Config(dumb_service())
    first = drive(config, [before]).sent
    for chunks in chunkings(before + said) if len(said) < 100 else [[before + said]]:
        driver = drive(config, chunks)
        assert [first + WRONG, Close(reason=why)] == driver.steps
        assert 0 == driver.counts["burn"] - before.count(b"BURN")
        assert 1 + before.count(b"\r\n") == driver.counts["unknown"]


@pytest.mark.parametrize("said", OURS)
def test_what_only_looks_like_it_is_not(said: bytes) -> None:
    """It is an unknown command like any other, and the connection goes on."""
    driver = drive(Config(dumb_service()), [said + b"\nPING\n"])
    assert [b"UNKNOWN_COMMAND\nPONG\n", Close()] == driver.steps


def test_a_verb_of_the_service_is_its_own() -> None:
    """A service may have GET and POST; a header that every browser sends still ends it."""
    service = Service()

    @service.command("GET")
    def get(key: bytes) -> bytes:
        return b"<%s>\n" % key

    config = Config(service)
    assert b"<x>\n<y HTTP/1.1>\n" == drive(config, [b"GET x\nGET y HTTP/1.1\n"]).sent
    driver = drive(config, [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET x\n"])
    assert [b"</ HTTP/1.1>\n" + WRONG, Close(reason="http")] == driver.steps


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_hello_is_told_from_a_line_too_long(limit: int) -> None:
    """By its first two bytes, however short lines have to be."""
    for chunks in chunkings(HELLO):
        assert [WRONG, Close(reason="tls")] == drive(
            Config(dumb_service(), limit_line=limit), chunks
        ).steps


def test_clients_know_the_answer() -> None:
    """As they know that to any line."""
    assert WRONG == dumb_service().expect(b"GET / HTTP/1.1").text
