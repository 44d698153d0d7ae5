"""More clients than the server wants, or can have."""

import select
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack

import pytest

from .client import Client
from .process import Server, Share, Start
from .servers import Need, Target

BUSY = b"SERVER_BUSY\n"


def join(stack: ExitStack, server: Server, count: int) -> list[Client]:
    """Connect clients that each ask PING at once, and wait for no reply."""
    clients = [stack.enter_context(server.connect()) for _ in range(count)]
    for client in clients:
        client.send(b"PING\n")
    return clients


def served(clients: Iterable[Client]) -> list[Client]:
    """Those who are answered; asked until nobody else is for a while."""
    waiting, answered = set(clients), []
    while ready := select.select(waiting, [], [], 0.5)[0]:
        for client in ready:
            assert b"PONG\n" == client.read_line()
            answered.append(client)
            waiting.remove(client)
    return answered


@pytest.fixture
def small_server(share: Share) -> Server:
    """A server for one client at a time."""
    return share("--limit-connections", "1")


@pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.CAPACITY)
def test_clients_over_the_limit_are_told_so(small_server: Server) -> None:
    """They read SERVER_BUSY and the end of input, and those within it notice nothing."""
    with ExitStack() as stack:
        held = stack.enter_context(small_server.get_in())
        for client in join(stack, small_server, 20):
            assert BUSY == client.read_all()
        assert b"RESULT 6\n" == held.ask(b"BURN 3")


@pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.CAPACITY)
def test_a_burst_is_held_to_the_limit_as_well(start_server: Start) -> None:
    """However many come at the same instant, no more than that many are served."""
    server = start_server("--limit-connections", "3")
    with ExitStack() as stack:
        crowd = join(stack, server, 30)  # all of them have the time to read why
        replies = [client.read_line() for client in crowd]
        assert {b"PONG\n": 3, BUSY: 27} == Counter(replies)


@pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.CAPACITY, Need.LINGERING)
def test_the_refusal_reaches_a_client_that_has_much_to_say(small_server: Server) -> None:
    """What the client has sent meanwhile does not turn it into a reset."""
    with small_server.get_in(), small_server.connect() as refused:
        for _ in range(10):
            refused.send(b"PING\n" * 20_000)
        assert BUSY == refused.read_all()


@pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.CAPACITY)
def test_there_is_room_again_once_a_client_leaves(small_server: Server) -> None:
    """Refused clients that will not leave take nobody's place."""
    with ExitStack() as stack:
        held = stack.enter_context(small_server.get_in())
        refused = [stack.enter_context(small_server.connect()) for _ in range(30)]
        for client in refused:
            assert BUSY == client.read_line()
        held.close()
        newcomer = stack.enter_context(small_server.get_in())
        assert b"PONG\n" == newcomer.ask(b"PING")


@pytest.mark.needs(Need.DESCRIPTORS)
def test_running_out_of_descriptors_hurts_nobody(start_server: Start) -> None:
    """Clients that are in are served, those that are not wait quietly until they are."""
    server = start_server("--limit-connections", "1000", fd_limit=64)
    with ExitStack() as stack:
        clients = join(stack, server, 84)
        inside = served(clients)
        waiting = [client for client in clients if client not in inside]
        assert inside
        assert len(waiting) >= 20
        before = server.cpu_seconds()
        assert not select.select(waiting, [], [], 0.5)[0]
        assert server.cpu_seconds() - before < 0.2
        assert len(server.stderr.splitlines()) < 20
        for client in inside:
            assert b"RESULT 6\n" == client.ask(b"BURN 3")
            client.close()
        for client in waiting:
            assert b"PONG\n" == client.read_line()
            client.close()


@pytest.mark.needs(Need.SEVERAL_CLIENTS)
@pytest.mark.parametrize("flags", [(), ("--limit-connections", "200")], ids=["default", "limit"])
def test_the_soft_limit_of_descriptors_is_raised(
    start_server: Start, target: Target, flags: tuple[str, ...]
) -> None:
    """Whoever starts the server with few descriptors need not know how to ask for more."""
    if not target.ours:
        pytest.skip("a foreign server may leave the limit alone")
    server = start_server(*flags, soft_fd_limit=64)
    with ExitStack() as stack:
        clients = join(stack, server, 100)
        for client in clients:
            assert b"PONG\n" == client.read_line()
