"""A server starts wherever it can: with the addresses and the rights that there are."""

import sys
from collections.abc import Iterator

import pytest

from ..denying import can_deny
from .client import Client
from .process import Server
from .servers import Target

DENYING = (sys.executable, "-m", "tests.denying", "ipv6,sched_setscheduler")


@pytest.fixture
def confined(target: Target) -> Iterator[Server]:
    """A server on every address of a machine without IPv6, as most containers are."""
    if not target.ours:
        pytest.skip("a foreign server does not take our flags")
    if not can_deny():
        pytest.skip("the kernel takes no filter of system calls")
    wanted = Target(target.id, (*DENYING, *target.argv), lacks=target.lacks)
    server = Server(wanted, "--host", "", "--metrics-host", "")
    yield server
    server.kill()


def test_it_serves_on_the_addresses_that_there_are(confined: Server) -> None:
    """It says which there are not, for the service as for the metrics; and it serves."""
    said = [line for line in confined.stderr.splitlines() if "not listening on [::]:" in line]
    assert 2 == len(said), confined.stderr
    with Client(("127.0.0.1", confined.address[1])) as client:
        client.send(b"PING\n")
        assert b"PONG\n" == client.read_line()
    assert 200 == confined.get()[0]


@pytest.mark.parametrize("limit", [64])
def test_few_descriptors_are_said(target: Target, limit: int) -> None:
    """At the start, once, with their number; and the metrics can be had though all are taken."""
    if not target.ours:
        pytest.skip("a foreign server does not take our flags")
    server = Server(target, fd_limit=limit)
    clients: list[Client] = []
    try:
        said = [line for line in server.stderr.splitlines() if "descriptors are enough for" in line]
        assert 1 == len(said), server.stderr
        assert f"enough for 1 client at a time: there are {limit}, " in said[0]
        for _ in range(2 * limit):
            clients.append(server.connect())
            clients[-1].send(b"WAIT 60\n")
        for _ in range(3):
            assert 200 == server.get()[0]
    finally:
        for client in clients:
            client.close()
        server.kill()
