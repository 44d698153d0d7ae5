"""The loop of `epoll` inside that of a runtime: it serves, and it stops, as by itself."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dumb_async import runtimes
from variants.common.host import Host
from variants.epoll import Epoll
from variants.nested import Nested

from ..conformance.client import PATIENCE
from ..support import in_time
from .conftest import MakeHost, Start

LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@LOOPS
@SIGNALS
def test_each_loop_serves_and_stops(start: Start, loop: str, number: signal.Signals) -> None:
    """Status 0; it says which loop it is in, and counts as the others do."""
    server = start("nested", "--loop", loop)
    assert f"nested-{loop}" in server.stderr
    requests = b"PING\nWAIT 0.01\nBURN 50000\nSTREAM 70000\n"
    expected = b"PONG\nDONE\nRESULT 1250025000\n" + b"A" * 70_000 + b"DONE\n"
    assert (expected == server.converse(requests)) is True
    assert 1 == server.samples()["server_connections_total"]
    with server.get_in() as client:
        server.signal(number)
        assert b"" == client.read_all()
        assert 0 == server.exit_status(within=PATIENCE)


@LOOPS
def test_a_stop_finishes_what_was_asked(start: Start, loop: str) -> None:
    """A second one does not."""
    server = start("nested", "--loop", loop, "--timeout-graceful", "60")
    with ExitStack() as stack:
        brief = stack.enter_context(server.get_in(b"WAIT 0.1\nBURN 3\n"))
        long = stack.enter_context(server.get_in(b"WAIT 3600\n"))
        server.signal()
        assert b"DONE\nRESULT 6\n" == brief.read_all()
        server.signal()
        assert 0 == server.exit_status(within=PATIENCE)
        assert b"" == long.read_until_cut()


@LOOPS
def test_who_waits_or_computes_keeps_nobody_waiting(start: Start, loop: str) -> None:
    """Turns of ours are turns of the runtime."""
    server = start("nested", "--loop", loop)
    with ExitStack() as stack:
        for request in (b"WAIT 3600\n", b"BURN 1000000000000\n", b"STREAM 1000000000000\n"):
            stack.enter_context(server.get_in(request))
        assert b"PONG\nDONE\n" == server.converse(b"PING\nWAIT 0.01\n")
    assert 0 == server.stop()


def test_it_is_asyncio_unless_asked(start: Start) -> None:
    """Which is what there is everywhere."""
    server = start("nested")
    assert "nested-asyncio" in server.stderr
    assert 0 == server.stop()


@pytest.fixture
def nested(make_host: MakeHost) -> Iterator[Callable[[str], Nested]]:
    """Make one in this process, in the loop of that name, that listens."""
    with ExitStack() as stack:

        def make(loop: str) -> Nested:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            listener.setblocking(False)
            return Nested(make_host(listener), loop)

        yield make


@LOOPS
def test_it_is_the_loop_of_epoll(nested: Callable[[str], Nested], loop: str) -> None:
    """To the letter: what the runtime has of it is one descriptor."""
    server = nested(loop)
    assert Epoll is type(server.inner)
    assert loop == server.runtime.name
    stop_at_once(server.host)
    server.run()
    assert server.inner.epoll.closed


def stop_at_once(host: Host) -> None:
    """Have it stop before it has begun."""
    host.stop()


@LOOPS
def test_the_runtime_goes_on_beside_it(nested: Callable[[str], Nested], loop: str) -> None:
    """A task of one's own has its turns while a client has none to wait for."""
    server = nested(loop)
    runtime = runtimes.load(loop)
    address = server.host.listeners[0].getsockname()
    heard: list[bytes] = []

    async def ask() -> None:
        with socket.create_connection(address) as client:
            client.setblocking(False)
            for request in (b"PING\n", b"WAIT 0.01\n"):
                client.send(request)
                await runtime.wait_readable(client.fileno())
                heard.append(client.recv(100))
        server.host.stop()

    async def main() -> None:
        async with runtime.task_group() as group:
            group.start_soon(ask)
            await server.main()

    in_time(runtime, main)
    server.inner.epoll.close()
    assert [b"PONG\n", b"DONE\n"] == heard
    assert server.host.over


@LOOPS
def test_it_waits_and_does_not_ask_again_and_again(
    nested: Callable[[str], Nested], loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with nothing to do takes a turn for the lag it measures, and no others."""
    server = nested(loop)
    turns: list[float] = []
    turn = server.inner.turn

    def count(timeout: float) -> None:
        turns.append(timeout)
        turn(timeout)
        if sum(server.host.stats.lag_counts) == 3:
            server.host.stop()

    monkeypatch.setattr(server.inner, "turn", count)
    server.run()
    # Three for the times, two for the stop; a time-out may be early by a rounding error.
    assert len(turns) <= 20
    assert {0} == set(turns)


def test_a_runtime_that_is_not_there_is_named(make_host: MakeHost) -> None:
    """As everywhere."""
    host: Any = make_host()
    with pytest.raises(ValueError, match="no-such-loop"):
        Nested(host, "no-such-loop")
