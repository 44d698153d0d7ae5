"""A client that resets its connection is gone at once, whatever the server does for it."""

import contextlib

import pytest

from .client import Client, eventually
from .process import Server, Share
from .servers import Need

pytestmark = pytest.mark.needs(Need.RESETS)
alone = pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.CAPACITY)

OCCUPATIONS = {
    "idle": b"",
    "half-line": b"PIN",
    "WAIT": b"WAIT 3600\n",
    "BURN": b"BURN 100000000000\n",
    "STREAM": b"STREAM 1000000000000\n",
    "WAITs": b"WAIT 3600\n" * 100,
    "behind-WAIT": b"WAIT 3600\nBURN 100000000000\nSTREAM 1000000000000\nPIN",
}

occupied = pytest.mark.parametrize("requests", OCCUPATIONS.values(), ids=OCCUPATIONS.keys())


@pytest.fixture
def server(share: Share) -> Server:
    """A server for one client at a time: whether it is free tells whether that one is gone."""
    return share("--limit-connections", "1")


def is_free(server: Server) -> bool:
    """Whether a newcomer is served."""
    try:
        with server.connect() as newcomer:
            return newcomer.ask(b"PING") == b"PONG\n"
    except ConnectionError:
        return False


def occupant(server: Server, requests: bytes) -> Client:
    """The one client of the server."""
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(server.get_in(requests))
        assert not is_free(server)
        stack.pop_all()
    return client


@alone
@occupied
def test_a_reset_frees_the_connection(server: Server, requests: bytes) -> None:
    """A newcomer takes its place, though what it had asked for would take an hour."""
    with occupant(server, requests) as client:
        client.reset()
        assert eventually(lambda: is_free(server))


@alone
@pytest.mark.needs(Need.DEAF_RESETS)
@pytest.mark.parametrize("command", [b"WAIT 3600\n", b"BURN 100000000000\n"], ids=["WAIT", "BURN"])
def test_a_reset_is_noticed_behind_unread_requests(server: Server, command: bytes) -> None:
    """Not to listen while a command runs is no reason not to notice."""
    with occupant(server, command) as client:
        client.send(b"PING\n" * 20_000)
        client.reset()
        assert eventually(lambda: is_free(server))


@alone
@pytest.mark.needs(Need.DEAF_RESETS)
@pytest.mark.parametrize("command", [b"WAIT 3600\n", b"BURN 100000000000\n"], ids=["WAIT", "BURN"])
def test_a_reset_is_noticed_after_a_half_close(server: Server, command: bytes) -> None:
    """The end of input is not the last that can be heard of a client."""
    _reset_after_a_half_close(server, command)


@alone
def test_a_reset_is_noticed_after_a_half_close_while_writing(server: Server) -> None:
    """The more so if it is written to."""
    _reset_after_a_half_close(server, b"STREAM 1000000000000\n")


def _reset_after_a_half_close(server: Server, command: bytes) -> None:
    with occupant(server, command) as client:
        client.shutdown_write()
        assert not is_free(server)
        client.reset()
        assert eventually(lambda: is_free(server))


@alone
def test_a_client_that_closes_while_it_reads_is_gone(server: Server) -> None:
    """Closing with unread bytes is a reset as well."""
    with occupant(server, b"STREAM 1000000000000\n") as client:
        assert b"AAAA" == client.read_exactly(4)
        client.close()
        assert eventually(lambda: is_free(server))


@alone
def test_an_orderly_end_frees_the_connection(server: Server) -> None:
    """As soon as everything is answered."""
    with occupant(server, b"WAIT 0.1\n") as client:
        client.close()
        assert eventually(lambda: is_free(server))


def test_many_departures_leave_nothing_behind(share: Share) -> None:
    """No connection is kept, no processor time is spent on the dead."""
    server = share()
    for requests in OCCUPATIONS.values():
        server.get_in(requests).reset()
    for count in range(200):
        with server.connect() as client:
            client.send([b"PING\n" * 50, *OCCUPATIONS.values()][count % 8])
    if server.metrics_url is not None:
        assert eventually(lambda: server.samples()["server_active_connections"] == 0)
    with server.connect() as bystander:
        before = server.cpu_seconds()
        assert bystander.is_silent_for(0.4)
        assert server.cpu_seconds() - before < 0.2
        assert b"PONG\n" == bystander.ask(b"PING")
