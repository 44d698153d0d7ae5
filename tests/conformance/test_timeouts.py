"""Clients that are idle, dribble or stall for too long are let go; others are not."""

import time

import pytest

from .client import Client, eventually
from .process import Server, Share
from .servers import Need

cuts = pytest.mark.needs(Need.TIMEOUTS)

#: Seconds: short, and still long enough for a busy machine to do in time what is harmless.
TIMEOUT = 0.4

#: Seconds by which a deadline may be late on a busy machine.
LATENESS = 3.0


@pytest.fixture
def idle_server(share: Share) -> Server:
    """A server that is impatient with idle clients only."""
    return share("--timeout-idle", str(TIMEOUT), "--timeout-line", "60", "--timeout-write", "60")


@pytest.fixture
def line_server(share: Share) -> Server:
    """A server that is impatient with unfinished lines only."""
    return share("--timeout-idle", "60", "--timeout-line", str(TIMEOUT), "--timeout-write", "60")


@pytest.fixture
def write_server(share: Share) -> Server:
    """A server that is impatient with stalled readers only."""
    return share("--timeout-idle", "60", "--timeout-line", "60", "--timeout-write", str(TIMEOUT))


def assert_is_cut(client: Client, *, since: float) -> None:
    """The end of input comes, without a word, after the timeout and not long after it."""
    assert b"" == client.read_all()
    assert TIMEOUT - 0.02 < time.monotonic() - since < TIMEOUT + LATENESS


@cuts
def test_idle_clients_are_cut(idle_server: Server) -> None:
    """Whether they have ever asked anything or not."""
    began = time.monotonic()
    with idle_server.connect() as silent, idle_server.connect() as talker:
        assert b"UNKNOWN_COMMAND\n" == talker.ask(b"nonsense")
        assert b"PONG\n" == talker.ask(b"PING")
        assert_is_cut(silent, since=began)
        assert_is_cut(talker, since=began)


@cuts
def test_a_client_whose_request_takes_longer_is_not_idle(idle_server: Server) -> None:
    """Idling begins when there is nothing left to answer."""
    with idle_server.connect() as client:
        assert b"DONE\n" == client.ask(b"WAIT %.2f" % (TIMEOUT * 1.4))
        began = time.monotonic()
        assert b"PONG\n" == client.ask(b"PING")
        assert_is_cut(client, since=began)


def test_a_slow_reader_is_not_idle(idle_server: Server) -> None:
    """Neither while it is sent something."""
    with idle_server.connect(receive_buffer=16_384) as client:
        client.send(b"STREAM 20000000\n")
        time.sleep(TIMEOUT * 1.4)  # what the client does is to do nothing
        assert (b"A" * 20_000_000 == client.read_exactly(20_000_000)) is True
        assert b"DONE\n" == client.read_line()


@cuts
def test_an_unfinished_line_is_cut(line_server: Server) -> None:
    """Counted from its first byte."""
    with line_server.connect() as client:
        began = time.monotonic()
        client.send(b"PIN")
        assert_is_cut(client, since=began)


@cuts
def test_a_dribbler_is_cut(line_server: Server) -> None:
    """A byte now and then does not buy a line more time."""
    with line_server.connect() as client:
        assert b"PONG\n" == client.ask(b"PING")
        began = time.monotonic()
        assert eventually(lambda: _dribble(client), timeout=TIMEOUT + LATENESS)
        assert time.monotonic() - began > TIMEOUT - 0.02


@cuts
def test_a_line_that_began_during_a_command_is_cut(line_server: Server) -> None:
    """It cannot hide behind a request that takes longer than a line may."""
    with line_server.connect() as client:
        client.send(b"WAIT %.2f\nPIN" % (TIMEOUT * 1.4))
        assert b"DONE\n" == client.read_line()
        began = time.monotonic()
        assert b"" == client.read_all()
        assert time.monotonic() - began < TIMEOUT + LATENESS


def test_lines_that_end_in_time_are_not_cut(line_server: Server) -> None:
    """Each line has the whole time; between lines there is none to keep."""
    with line_server.connect() as client:
        for _ in range(5):
            client.send(b"PI")
            assert client.is_silent_for(TIMEOUT / 4)
            client.send(b"NG\nPI")
            assert b"PONG\n" == client.read_line()
            client.send(b"NG\n")
            assert b"PONG\n" == client.read_line()
        assert client.is_silent_for(TIMEOUT * 1.4)
        assert b"PONG\n" == client.ask(b"PING")


def test_a_half_closed_client_is_not_cut(idle_server: Server, line_server: Server) -> None:
    """It can say no more, so it can be neither idle nor slow to say it."""
    with idle_server.connect() as first, line_server.connect() as second:
        for client in (first, second):
            client.send(b"WAIT %.2f\nPING\nPIN" % (TIMEOUT * 1.4))
            client.shutdown_write()
        for client in (first, second):
            assert b"DONE\nPONG\n" == client.read_all()


@cuts
def test_a_stalled_reader_is_cut(write_server: Server) -> None:
    """Once it has taken nothing for too long, its connection is no more."""
    with write_server.connect(receive_buffer=4096) as client:
        client.send(b"STREAM 1000000000000\n")
        assert eventually(lambda: _active(write_server) == 1)
        assert eventually(lambda: _active(write_server) == 0, timeout=2 * TIMEOUT + LATENESS)
        assert client.read_until_cut().strip(b"A") == b""


def test_a_slow_reader_is_not_cut(write_server: Server) -> None:
    """Who reads now and then makes progress, even if a whole reply takes long."""
    size = 20_000_000
    with write_server.connect(receive_buffer=65_536) as client:
        client.send(b"STREAM %d\n" % size)
        began = time.monotonic()
        for _ in range(size // 500_000):
            assert 500_000 == len(client.read_exactly(500_000))
            time.sleep(0.02)  # what makes it a slow reader
        assert time.monotonic() - began > TIMEOUT
        assert b"DONE\n" == client.read_line()


def _active(server: Server) -> float:
    return server.samples()["server_active_connections"]


def _dribble(client: Client) -> bool:
    """Send one more byte; return whether the server has had enough of it."""
    try:
        client.send(b"x")
        return not client.is_silent_for(0.03) and client.discard() == 0
    except (BrokenPipeError, ConnectionResetError):
        return True
