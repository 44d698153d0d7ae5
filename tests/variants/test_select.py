"""``select()`` at FD_SETSIZE, with more connections than its sets have bits."""

import fcntl
import socket
from contextlib import ExitStack

import pytest

from dumb_async.hosting import raise_descriptor_limit
from variants.common.connections import Connections
from variants.common.host import Host
from variants.select_ import FD_SETSIZE, RESERVED, TOO_MANY, Select

from ..conformance.client import Client
from ..support import PATIENCE
from .conftest import Start

#: Connections, and those of them for whom there is room.
ALL = 1_100
ROOM = FD_SETSIZE - RESERVED

REJECTED = 'server_rejected_connections_total{reason="fd_setsize"}'


@pytest.fixture(autouse=True)
def descriptors() -> None:
    """Enough of them on our side."""
    if raise_descriptor_limit() < ALL + FD_SETSIZE:
        pytest.skip(f"the hard limit of descriptors is too low for {ALL:,} connections")


def test_who_has_no_bit_is_refused(start: Start) -> None:
    """Told, counted, and said once in the log; those inside are served, and leave room."""
    server = start("select")
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(ALL)]
        inside, past = clients[:ROOM], clients[ROOM:]
        for client in past:
            assert b"SERVER_BUSY\n" == client.read_all()
        ask_all(inside)
        samples = server.samples()
        assert ALL - ROOM == samples[REJECTED]
        assert (ROOM, ROOM) == tuple(
            samples[f"server_{name}"] for name in ("active_connections", "connections_total")
        )
        (_, warning) = server.stderr.splitlines()
        assert f"fd_setsize: more than {ROOM} clients are refused" in warning
        inside.pop().close()
        stack.enter_context(server.get_in())
        ask_all(inside)
        assert 0 == server.stop()


def ask_all(clients: list[Client]) -> None:
    """Have all of them answered, who ask at once."""
    for client in clients:
        client.send(b"BURN 3\n")
    for client in clients:
        assert b"RESULT 6\n" == client.read_line()


def test_a_limit_below_it_is_the_limit(start: Start) -> None:
    """Then it is the server that is busy, and not the model that is too small."""
    server = start("select", "--limit-connections", "1")
    with server.get_in(), server.connect() as refused:
        assert b"SERVER_BUSY\n" == refused.read_all()
    assert REJECTED not in server.samples()
    assert 1 == len(server.stderr.splitlines())


def test_a_descriptor_over_it_is_refused_whoever_holds_the_others(
    host: Host, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Scrapers and logs have descriptors too; the loop goes on."""
    loop = Select(host)
    before = set(loop.handlers)
    high = socket.socket(fileno=fcntl.fcntl(pair[1], fcntl.F_DUPFD, FD_SETSIZE))
    pair[1].close()
    with high:
        connections = Connections(host, loop.schedule, loop.register)
        host.acceptor(connections.admit, connections.refuse).take(high)
    pair[0].settimeout(PATIENCE)
    assert b"" == pair[0].makefile("rb").read().removeprefix(b"SERVER_BUSY\n")
    assert {"busy": 0, TOO_MANY: 1} == host.stats.rejected
    assert (before, set()) == (set(loop.handlers), host.sessions)
    host.stop()
    loop.run()
