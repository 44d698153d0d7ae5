"""The tutorial's server: what it does is right, and what it does not do it says."""

import signal
from contextlib import ExitStack

import pytest

from variants.common.needs import Need
from variants.common.tutorial import LACKS

from ..conformance.client import PATIENCE, eventually
from ..conformance.process import Server
from .conftest import Start


def active(server: Server) -> float:
    """How many clients it says it has."""
    return server.samples()["server_active_connections"]


def test_all_that_is_asked_is_answered(start: Start) -> None:
    """In order, counted, with the log of it if that is asked for."""
    server = start("streams", "--access-log")
    size = 5_000_000
    requests = b"PING\nWAIT 0.01\nBURN 50000\nSTREAM %d\nBURN x\n" % size
    expected = b"PONG\nDONE\nRESULT 1250025000\n" + b"A" * size + b"DONE\nINVALID_ARGUMENT\n"
    assert (expected == server.converse(requests)) is True
    samples = server.samples()
    assert (1, len(expected)) == (
        samples["server_connections_total"],
        samples["server_bytes_sent_total"],
    )
    assert 1 == samples['server_requests_total{request_type="burn"}']
    assert eventually(lambda: active(server) == 0)
    assert "burn=1" in server.stderr
    assert 0 == server.stop()


def test_clients_do_not_wait_for_each_other(start: Start) -> None:
    """Each is a task: to wait, to compute and to write are awaits in it."""
    server = start("streams")
    with ExitStack() as stack:
        for request in (b"WAIT 3600\n", b"BURN 1000000000000\n", b"STREAM 1000000000\n", b"PIN"):
            stack.enter_context(server.get_in(request))
        assert b"PONG\nRESULT 6\n" == server.converse(b"PING\nBURN 3\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_waits_for_nobody(start: Start, number: signal.Signals) -> None:
    """Status 0, whoever is connected and whatever grace there is; it says so."""
    server = start("streams", "--timeout-graceful", "3600")
    with server.get_in(b"WAIT 3600\n") as busy, server.get_in() as idle:
        server.signal(number)
        assert 0 == server.exit_status(within=PATIENCE)
        assert (b"", b"") == (busy.read_until_cut(), idle.read_until_cut())
    assert Need.DRAINING in LACKS


def test_nobody_is_refused(start: Start) -> None:
    """Whatever limit there is; it says so."""
    server = start("streams", "--limit-connections", "1")
    with ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(server.connect())
            assert b"PONG\n" == client.ask(b"PING")
        assert 3 == active(server)
    assert Need.CAPACITY in LACKS


def test_nobody_is_let_go(start: Start) -> None:
    """Whatever patience there is: who was silent for longer is still served; it says so."""
    server = start("streams", "--timeout-idle", "0.01", "--timeout-line", "0.01")
    with server.get_in() as client:
        client.send(b"PIN")
        assert client.is_silent_for(0.05)
        client.send(b"G\n")
        assert b"PONG\n" == client.read_line()
    assert Need.TIMEOUTS in LACKS


def test_a_line_over_the_limit_is_refused_at_its_end(start: Start) -> None:
    """And not before; it says so."""
    server = start("streams", "--limit-line", "10")
    with server.get_in(b"x" * 1000) as client:
        client.send(b"\nPING\n")
        assert b"LINE_TOO_LONG\n" == client.read_until_cut()
    assert Need.OVERSIZE in LACKS


def test_a_line_without_end_costs_its_client_and_nobody_else(start: Start) -> None:
    """It is no bug of ours that would be logged as one."""
    server = start("streams")
    with server.get_in() as other:
        with server.get_in() as greedy:
            greedy.send(b"x" * 200_000)
            assert b"" == greedy.read_until_cut()
        assert b"PONG\n" == other.ask(b"PING")
        assert eventually(lambda: active(server) == 1)
