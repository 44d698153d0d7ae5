"""A whole server on a clock that jumps: minutes of silence, in no time."""

import contextlib
import functools
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from dumb_async import Server
from dumb_async.hosting import LINGER
from dumb_async.runtimes import load

from .conftest import RunInNoTime
from .support import connect, drain, is_cut, read, reset

TRIO = load("trio")

#: Seconds: a tick of the deadlines, and what measuring adds.
LATE = 0.2


@contextlib.asynccontextmanager
async def serving(server: Server) -> AsyncIterator[tuple[str, int]]:
    """Serve for as long as the body lasts; then no client may be left, nor any task."""
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(functools.partial(server.serve))
        yield address
        server.stop()


def server_with(**options: Any) -> Server:
    """A server at some port, with the default timeouts but for ``options``."""
    return Server(port=0, **options)


async def ends_after(client: socket.socket, seconds: float) -> bytes:
    """All that comes up to the end of input, which comes after so many seconds from now."""
    began = trio.current_time()
    data = await read(TRIO, client)
    assert seconds - LATE < trio.current_time() - began < seconds + LATE
    return data


@pytest.mark.parametrize("request_", [b"", b"PING\n", b"?\n"])
def test_an_idle_client_is_let_go(run_in_no_time: RunInNoTime, request_: bytes) -> None:
    """By an end of input, 300 s after it was heard last."""
    server = server_with()

    async def main() -> None:
        async with serving(server) as address:
            with connect(address) as client:
                await trio.sleep(100)
                client.send(request_)
                spent = 0 if request_ else 100
                assert request_.count(b"\n") == (await ends_after(client, 300 - spent)).count(b"\n")
            assert {"idle": 1, "line": 0, "write": 0} == server.stats.timeouts

    run_in_no_time(main)


def test_a_client_that_asks_now_and_then_stays(run_in_no_time: RunInNoTime) -> None:
    """Each request buys another 300 s."""
    server = server_with()

    async def main() -> None:
        async with serving(server) as address:
            with connect(address) as client:
                for _ in range(2):
                    await trio.sleep(299)
                    client.send(b"PING\n")
                    assert b"PONG\n" == await read(TRIO, client, 5)
                await ends_after(client, 300)

    run_in_no_time(main)


def test_a_client_that_waits_is_not_idle(run_in_no_time: RunInNoTime) -> None:
    """Its 300 s begin when its WAIT is over, which is in time to the instant."""
    server = server_with()

    async def main() -> None:
        async with serving(server) as address:
            with connect(address) as client:
                began = trio.current_time()
                client.send(b"WAIT 400\n")
                assert b"DONE\n" == await read(TRIO, client, 5)
                assert 400 == pytest.approx(trio.current_time() - began, abs=0.001)
                await ends_after(client, 300)

    run_in_no_time(main)


def test_a_line_has_its_time(run_in_no_time: RunInNoTime) -> None:
    """From its first byte; sending another now and then does not help."""
    server = server_with()

    async def main() -> None:
        async with serving(server) as address:
            with connect(address) as client:
                await trio.sleep(50)
                for byte in (b"P", b"I", b"N"):
                    client.send(byte)
                    await trio.sleep(9)
                assert b"" == await ends_after(client, 30 - 27)
            assert {"idle": 0, "line": 1, "write": 0} == server.stats.timeouts

    run_in_no_time(main)


def test_a_line_that_ends_in_time_starts_no_other(run_in_no_time: RunInNoTime) -> None:
    """The next one has its own 30 s, and between lines there are 300."""
    server = server_with()

    async def main() -> None:
        async with serving(server) as address:
            with connect(address) as client:
                for data in (b"P", b"ING\nP", b"ING\nP", b"ING\n"):
                    client.send(data)
                    await trio.sleep(29)
                assert b"PONG\n" * 3 == drain(client)
                assert b"" == await ends_after(client, 300 - 29)

    run_in_no_time(main)


def test_a_line_that_began_during_a_wait_has_its_time_after_it(
    run_in_no_time: RunInNoTime,
) -> None:
    """The server did not listen before."""
    server = server_with()

    async def main() -> None:
        async with serving(server) as address:
            with connect(address) as client:
                client.send(b"WAIT 100\nPIN")
                assert b"DONE\n" == await read(TRIO, client, 5)
                assert b"" == await ends_after(client, 30)

    run_in_no_time(main)


def test_without_timeouts_nobody_is_let_go(run_in_no_time: RunInNoTime) -> None:
    """Zero is for ever."""
    server = server_with(timeout_idle=0, timeout_line=0, timeout_write=0)

    async def main() -> None:
        async with serving(server) as address:
            with connect(address) as idle, connect(address) as slow, connect(address) as stalled:
                slow.send(b"PIN")
                stalled.send(b"STREAM 20000000\n")
                await trio.sleep(700)
                slow.send(b"G\n")
                idle.send(b"PING\n")
                assert b"PONG\n" == await read(TRIO, idle, 5)
                assert b"PONG\n" == await read(TRIO, slow, 5)
                assert 20_000_005 == len(await read(TRIO, stalled, 20_000_005))

    run_in_no_time(main)


def test_a_reader_that_takes_nothing_is_dropped(run_in_no_time: RunInNoTime) -> None:
    """30 s after what it took last was seen to be taken, at the second look at the latest."""
    server = server_with()

    async def main() -> None:
        async with serving(server) as address:
            with connect(address) as client:
                client.send(b"STREAM 200000000\n")
                await trio.sleep(29)
                assert 1 == server.stats.active
                await trio.sleep(32)
                assert 0 == server.stats.active
                assert {"idle": 0, "line": 0, "write": 1} == server.stats.timeouts
                with contextlib.suppress(ConnectionResetError):
                    assert b"" == drain(client).strip(b"A")

    run_in_no_time(main)


def test_a_slow_reader_is_not_dropped(run_in_no_time: RunInNoTime) -> None:
    """As long as it takes something every 30 s, be it less than a write's worth."""
    server = server_with()

    async def main() -> None:
        async with serving(server) as address:
            with connect(address, receive_buffer=65_536) as client:
                client.send(b"STREAM 20000000\n")
                for _ in range(20):
                    await trio.sleep(25)
                    assert 100_000 == len(await read(TRIO, client, 100_000))
                assert 1 == server.stats.active
                assert 18_000_005 == len(await read(TRIO, client, 18_000_005))

    run_in_no_time(main)


@pytest.mark.parametrize("request_", [b"x" * 2000, b"x" * 2000 + b"\nPING\n"])
def test_who_is_closed_is_read_away_for_a_while(
    run_in_no_time: RunInNoTime, request_: bytes
) -> None:
    """It has its reply and the end of input at once, and `LINGER` seconds to close."""
    server = server_with()

    async def main() -> None:
        async with serving(server) as address:
            with connect(address) as client:
                client.send(request_)
                assert b"LINE_TOO_LONG\n" == await ends_after(client, 0)
                for _ in range(3):
                    await trio.sleep(LINGER / 4)
                    client.send(b"PING\n" * 1000)
                assert 1 == server.stats.active
                await trio.sleep(LINGER / 2)
                assert 0 == server.stats.active
                assert is_cut(client)

    run_in_no_time(main)


def test_who_is_closed_and_closes_is_gone_at_once(run_in_no_time: RunInNoTime) -> None:
    """Nobody waits for more."""
    server = server_with()

    async def main() -> None:
        async with serving(server) as address:
            for leave in (socket.socket.close, reset):
                client = connect(address)
                client.send(b"x" * 2000)
                assert b"LINE_TOO_LONG\n" == await read(TRIO, client)
                leave(client)
                await trio.sleep(0.01)
                assert 0 == server.stats.active

    run_in_no_time(main)


def test_who_is_refused_is_read_away_for_a_while(run_in_no_time: RunInNoTime) -> None:
    """So that it can read why; it does not count as connected."""
    server = server_with(limit_connections=1)

    async def main() -> None:
        async with serving(server) as address:
            with connect(address) as first, connect(address) as second:
                assert b"SERVER_BUSY\n" == await ends_after(second, 0)
                second.send(b"PING\n" * 1000)
                await trio.sleep(LINGER * 2)
                assert is_cut(second)
                first.send(b"PING\n")
                assert b"PONG\n" == await read(TRIO, first, 5)
            assert (1, 1) == (server.stats.connections, server.stats.rejected["busy"])

    run_in_no_time(main)


@pytest.mark.parametrize(
    ("request_", "graceful", "lasts", "reply"),
    [
        (b"", 8, 0, b""),
        (b"PIN", 8, 0, b""),
        (b"WAIT 5\n", 8, 5, b"DONE\n"),
        (b"WAIT 5\nPING\nPI", 8, 5, b"DONE\nPONG\n"),
        (b"WAIT 5\nWAIT 5\n", 8, 8, b"DONE\n"),
        (b"WAIT 50\n", 8, 8, b""),
        (b"WAIT 50\n", 0, 0, b""),
        (b"WAIT 50\n", 60, 50, b"DONE\n"),
    ],
)
def test_a_stop_waits_for_what_was_asked(
    run_in_no_time: RunInNoTime, request_: bytes, graceful: float, lasts: float, reply: bytes
) -> None:
    """And no longer than it may; then all is closed as it is."""
    server = server_with(timeout_graceful=graceful)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            (address,) = await nursery.start(functools.partial(server.serve))
            with connect(address) as client:
                client.send(request_)
                await trio.sleep(0.01)
                server.stop()
                assert reply == await ends_after(client, lasts)

    async def timed() -> None:
        await main()
        ended.append(trio.current_time())

    ended: list[float] = []
    run_in_no_time(timed)
    assert 0 == server.stats.active
    assert 1 == len(ended)


def test_a_second_stop_waits_for_nobody(run_in_no_time: RunInNoTime) -> None:
    """All is closed as it is."""
    server = server_with(timeout_graceful=1000)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            (address,) = await nursery.start(functools.partial(server.serve))
            with connect(address) as client:
                client.send(b"WAIT 500\n")
                await trio.sleep(0.01)
                server.stop()
                await trio.sleep(10)
                assert 1 == server.stats.active
                server.stop()
                assert b"" == await ends_after(client, 0)

    run_in_no_time(main)


def test_the_loop_is_not_late_if_nothing_holds_it_up(run_in_no_time: RunInNoTime) -> None:
    """It is measured ten times a second."""
    server = server_with()

    async def main() -> None:
        async with serving(server):
            await trio.sleep(10.05)

    run_in_no_time(main)
    assert 100 == pytest.approx(server.stats.lag_counts[0], abs=2)
    assert server.stats.lag_counts[0] == sum(server.stats.lag_counts)
