"""A bystander is answered whatever the others do.

It may take its time: this is about starvation, latency is measured by `make bench`.
"""

from contextlib import ExitStack
from typing import Self

import pytest

from .client import in_background
from .process import Server
from .servers import Need

FOREVER = b"1000000000000"


@pytest.fixture
def clients(server: Server) -> "Crowd":
    """Clients of the test, by the dozen."""
    return Crowd(server)


class Crowd:
    """Makes many clients and resets them all at the end of its ``with`` block."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def connect(self, count: int, requests: bytes, receive_buffer: int | None = None) -> None:
        """Add clients that each send ``requests`` and read nothing."""
        for _ in range(count):
            client = self._server.connect(receive_buffer=receive_buffer)
            self._stack.enter_context(client).send(requests)


def assert_serves_a_bystander(server: Server) -> None:
    """A newcomer gets in and is answered, several times, while what the others do goes on."""
    with server.connect() as bystander:
        for _ in range(5):
            assert b"PONG\n" == bystander.ask(b"PING")
            assert b"RESULT 45150\n" == bystander.ask(b"BURN 300")


@pytest.mark.needs(Need.SEVERAL_CLIENTS)
@pytest.mark.parametrize("sent", [b"", b"PI", b"BURN 1"], ids=["nothing", "PI", "BURN 1"])
def test_silent_clients_delay_nobody(server: Server, clients: Crowd, sent: bytes) -> None:
    """Neither those who have said nothing nor those in the middle of a line."""
    with clients:
        clients.connect(50, sent)
        assert_serves_a_bystander(server)


@pytest.mark.needs(Need.SEVERAL_CLIENTS)
def test_a_slow_sender_delays_nobody(server: Server) -> None:
    """Each byte of a dribbler is taken in while others are served, and none is lost."""
    with server.connect() as dribbler:
        for byte in b"BURN 300\n":
            dribbler.send(bytes([byte]))
            assert_serves_a_bystander(server)
        assert b"RESULT 45150\n" == dribbler.read_line()


@pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.FAIR_WAIT)
def test_waiting_clients_delay_nobody(server: Server, clients: Crowd) -> None:
    """However many wait."""
    with clients:
        clients.connect(200, b"WAIT 3600\n")
        assert_serves_a_bystander(server)


@pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.FAIR_WAIT)
def test_waits_run_side_by_side(server: Server) -> None:
    """A short WAIT ends before a long one that began earlier."""
    with server.connect() as long, server.connect() as short:
        long.send(b"PING\nWAIT 3600\n")
        assert b"PONG\n" == long.read_line()
        assert b"DONE\n" == short.ask(b"WAIT 0.1")
        assert long.is_silent_for(0)


@pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.FAIR_BURN)
def test_burning_clients_delay_nobody(server: Server, clients: Crowd) -> None:
    """Computing is done in slices, or elsewhere."""
    with clients:
        clients.connect(4, b"BURN 100000000000\n")
        assert_serves_a_bystander(server)


@pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.FAIR_STREAM)
def test_a_fast_reader_of_a_stream_delays_nobody(server: Server) -> None:
    """A socket that always takes more is no reason never to do anything else."""
    with server.connect() as reader:
        reader.send(b"STREAM " + FOREVER + b"\n")
        with in_background(reader.discard):
            assert_serves_a_bystander(server)


@pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.STALLED_READERS)
def test_stalled_readers_delay_nobody(server: Server, clients: Crowd) -> None:
    """A socket that takes no more is no reason to wait for it."""
    with clients:
        clients.connect(20, b"STREAM " + FOREVER + b"\n", receive_buffer=4096)
        assert_serves_a_bystander(server)


@pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.STALLED_READERS)
def test_a_reader_that_stalled_gets_everything_once_it_reads(server: Server) -> None:
    """Partial writes are continued where they stopped."""
    size = 20_000_000
    with server.connect(receive_buffer=16_384) as reader:
        reader.send(b"STREAM %d\nPING\n" % size)
        assert_serves_a_bystander(server)
        assert (b"A" * size == reader.read_exactly(size)) is True
        assert b"DONE\n" == reader.read_line()
        assert b"PONG\n" == reader.read_line()


@pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.FAIR_PIPELINE)
@pytest.mark.parametrize("request_", [b"PING\n", b"BURN 1000\n"], ids=["PING", "BURN 1000"])
def test_a_client_that_pipelines_without_pause_delays_nobody(
    server: Server, request_: bytes
) -> None:
    """A client that always has one more request does not always get its turn."""
    requests = request_ * 2000
    with server.connect() as pipeliner:

        def read() -> None:
            if not pipeliner.is_silent_for(0.05):
                pipeliner.discard()

        with in_background(read), in_background(lambda: pipeliner.send(requests)):
            assert_serves_a_bystander(server)


@pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.STALLED_READERS, Need.FAIR_PIPELINE)
def test_a_client_that_never_reads_its_replies_delays_nobody(server: Server) -> None:
    """It is not listened to either, once its replies pile up."""
    with server.connect(timeout=0.2, receive_buffer=4096) as deaf:

        def send() -> None:
            while True:
                deaf.send(b"BURN 1000\n" * 10_000)

        with pytest.raises(TimeoutError):
            send()
        assert_serves_a_bystander(server)
