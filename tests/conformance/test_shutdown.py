"""SIGTERM and SIGINT: what has begun is finished, in time, whoever is connected."""

import contextlib
import time
from contextlib import ExitStack
from signal import SIGINT, SIGTERM

import pytest

from .client import Client, eventually, in_background
from .process import Server, Start
from .servers import Need, Target

GRACE = 0.3
#: Seconds over the grace within which the process must have ended, on a busy machine.
MARGIN = 5.0

OCCUPATIONS = {
    "idle": b"",
    "half-line": b"BURN 1",
    "WAIT": b"WAIT 3600\n",
    "BURN": b"BURN 100000000000\n",
    "stalled": b"STREAM 1000000000000\n",
    "pipelined": b"WAIT 3600\n" * 100,
    "oversize": b"x" * 2000,
}

FINISHED = {
    b"": b"",
    b"WAIT 0.4\n": b"DONE\n",
    b"WAIT 0.2\nPING\nBURN 300\nSTREAM 5\nWAIT 0.1\n": (
        b"DONE\nPONG\nRESULT 45150\nAAAAADONE\nDONE\n"
    ),
    b"WAIT 0.2\nPIN": b"DONE\n",
    b"BURN 10000000\n": b"RESULT 50000005000000\n",
    b"STREAM 20000000\nPING\n": b"A" * 20_000_000 + b"DONE\nPONG\n",
}


def occupied(
    stack: ExitStack, server: Server, *occupations: bytes, receive_buffer: int | None = 4096
) -> list[Client]:
    """Clients whose requests the server is known to have read: it has said PONG."""
    clients = []
    for requests in occupations:
        client = stack.enter_context(server.connect(receive_buffer=receive_buffer))
        client.send(b"PING\n" + requests)
        assert b"PONG\n" == client.read_line()
        clients.append(client)
    return clients


def test_a_server_without_clients_stops_at_once(start_server: Start) -> None:
    """With status 0, whatever the grace, even straight after its start."""
    server = start_server("--timeout-graceful", "60")
    server.signal(SIGINT)
    assert 0 == server.exit_status(within=MARGIN)


@pytest.mark.needs(Need.SEVERAL_CLIENTS)
def test_idle_clients_do_not_delay_a_stop(start_server: Start) -> None:
    """They get the end of input without a word, and nobody waits for them to leave."""
    server = start_server("--timeout-graceful", "60")
    with ExitStack() as stack:
        clients = occupied(stack, server, *[b""] * 10)
        clients.append(stack.enter_context(server.connect()))
        server.signal()
        for client in clients:
            assert b"" == client.read_all()
        assert 0 == server.exit_status(within=MARGIN)


def test_a_stop_ends_in_time(start_server: Start, target: Target) -> None:
    """With status 0, and whoever has not got everything by then gets no more."""
    kinds = ("WAIT", "BURN", "stalled", "oversize")
    several = Need.SEVERAL_CLIENTS not in target.lacks
    for one_at_a_time in [kinds] if several else [(kind,) for kind in kinds]:
        server = start_server("--timeout-graceful", str(GRACE))
        with ExitStack() as stack:
            clients = occupied(stack, server, *(OCCUPATIONS[kind] for kind in one_at_a_time))
            server.signal()
            assert 0 == server.exit_status(within=GRACE + MARGIN)
            for client in clients:
                said = client.read_until_cut()
                assert b"" == said.removeprefix(b"LINE_TOO_LONG\n").strip(b"A")


@pytest.mark.needs(Need.SEVERAL_CLIENTS)
def test_a_stop_ends_in_time_with_clients_of_all_kinds(start_server: Start) -> None:
    """SIGINT does what SIGTERM does."""
    server = start_server("--timeout-graceful", str(GRACE))
    with ExitStack() as stack:
        clients = occupied(stack, server, *OCCUPATIONS.values(), *OCCUPATIONS.values())
        if server.metrics_url is not None:
            stack.enter_context(Client(server.metrics_address)).send(b"GET /met")
        server.signal(SIGINT)
        assert 0 == server.exit_status(within=GRACE + MARGIN)
        for client in clients:
            client.read_until_cut()


def test_who_comes_in_late_is_cut_off_too(start_server: Start) -> None:
    """One after the other or all at once: nobody outlives the grace, or the second signal."""
    for grace, signals in (("0.3", 1), ("60", 2)):
        server = start_server("--timeout-graceful", grace)
        with ExitStack() as stack:
            occupied(stack, server, b"WAIT 3600\n")
            for _ in range(5):  # of one who is served alone nobody else is read yet
                late = stack.enter_context(server.connect(receive_buffer=4096))
                late.send(b"STREAM 1000000000000\nWAIT 3600\n")
            for _ in range(signals):  # two at once would be one, signal(7)
                server.signal()
                assert eventually(lambda server=server: "stopping" in server.stderr)  # type: ignore[misc]
            assert 0 == server.exit_status(within=MARGIN)


def test_a_log_that_nobody_reads_stops_nobody(start_server: Start, target: Target) -> None:
    """Neither requests nor a stop: what is too much for the pipe is not waited for."""
    if not target.ours:
        pytest.skip("a foreign server does not take our flags")
    server = start_server("--access-log")
    server.stop_reading()
    with server.get_in() as client:
        for _ in range(2000):
            assert b"PONG\n" == client.ask(b"PING")
    server.signal()
    assert 0 == server.exit_status(within=MARGIN)


@pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.DRAINING)
def test_what_was_asked_is_answered_before_a_stop(start_server: Start) -> None:
    """Requests that were in when the signal came get their replies, then the end of input."""
    server = start_server("--timeout-graceful", "60")
    with ExitStack() as stack:
        # A small buffer would make 20 MB last for half a minute on a busy machine.
        clients = occupied(stack, server, *FINISHED, receive_buffer=None)
        began = time.monotonic()
        server.signal()
        for client, replies in zip(clients, FINISHED.values(), strict=True):
            assert (replies == client.read_all()) is True, replies[:10]
        assert 0 == server.exit_status(within=MARGIN)
        assert time.monotonic() - began < 30


def test_a_client_that_goes_on_asking_does_not_delay_a_stop(start_server: Start) -> None:
    """What comes after the signal is not waited for."""
    server = start_server("--timeout-graceful", "60")
    with server.get_in() as client:
        # So many are under way at any time: what was asked before is answered, and a slow
        # server would need more than our patience for all that fits into the kernel.
        requests = b"PING\n" * 1000
        client.send(requests * 5)

        def go_on() -> None:
            with contextlib.suppress(ConnectionError):
                if client.read_exactly(len(requests)):
                    client.send(requests)

        with in_background(go_on):
            server.signal()
            assert 0 == server.exit_status(within=MARGIN)


@pytest.mark.needs(Need.SEVERAL_CLIENTS)
def test_nobody_gets_in_during_a_stop_and_a_second_signal_ends_it(start_server: Start) -> None:
    """The listener is closed first; who will not wait for the rest need not."""
    server = start_server("--timeout-graceful", "60")
    with ExitStack() as stack:
        clients = occupied(stack, server, *OCCUPATIONS.values())
        server.signal()
        assert eventually(lambda: _refuses(server))
        assert server.running
        server.signal()
        assert 0 == server.exit_status(within=MARGIN)
        for client in clients:
            client.read_until_cut()


@pytest.mark.needs(Need.DRAINING)
def test_a_server_can_be_started_again_on_the_same_port(start_server: Start) -> None:
    """Connections that the old one has closed do not keep the address."""
    server = start_server("--timeout-graceful", "60")
    with ExitStack() as stack:
        (client,) = occupied(stack, server, b"WAIT 0.1\n")
        server.signal()
        assert 0 == server.exit_status(within=MARGIN)
        successor = start_server("--port", str(server.address[1]))
        assert server.address == successor.address
        assert b"PONG\n" == successor.converse(b"PING\n")
        assert b"DONE\n" == client.read_all()


def _refuses(server: Server) -> bool:
    try:
        server.connect().reset()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it came between the last accept and the close
        return False
    return False


@pytest.mark.needs(Need.SEVERAL_CLIENTS)
def test_who_wakes_as_the_grace_ends_disturbs_nobody(start_server: Start) -> None:
    """No work is begun any more for those whose WAIT ends while the rest is being cut off."""
    server = start_server("--timeout-graceful", "0.3")
    wakes = [b"WAIT %.4f\nBURN 100000000000\n" % (0.25 + 0.15 * n / 100) for n in range(100)]
    with ExitStack() as stack:
        # All of them are in before the first begins to burn.
        for client, requests in zip(occupied(stack, server, *[b""] * 100), wakes, strict=True):
            client.send(requests)
        server.signal(SIGTERM)
        assert 0 == server.exit_status(within=MARGIN)
    assert "rror" not in server.stderr
