"""A task for each client of a whole server, on every runtime: what it keeps, and how it ends."""

import asyncio
import contextlib
import contextvars
import functools
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio

from dumb_async import Action, Compute, Send, Server, Service, Sleep
from dumb_async.resets import Resets
from dumb_async.runtimes import NAMES, Runtime, load
from dumb_async.server import Address

from .support import (
    Started,
    connect,
    converse,
    in_time,
    open_descriptors,
    read,
    reset,
    with_server,
)

CLIENTS = 100


@pytest.fixture(scope="module", autouse=True)
def warm_up() -> None:
    """What a runtime opens once and for all is none of the server's business."""
    for name in NAMES:
        with_server(load(name), Server(port=0), functools.partial(ping, load(name)))


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """As many descriptors as before."""
    before = open_descriptors()
    yield
    assert before == open_descriptors()


async def ping(runtime: Runtime, address: Address) -> None:
    """Ask once."""
    assert b"PONG\n" == await converse(runtime, address, b"PING\n")


def count_tasks(runtime: Runtime) -> int:
    """How many the runtime has."""
    if runtime.name.endswith("trio"):
        return trio.lowlevel.current_statistics().tasks_living
    return len(asyncio.all_tasks())


async def all_gone(runtime: Runtime, server: Server) -> None:
    """Wait until nobody is connected, and those who were have ended."""
    while server.stats.active:
        await runtime.checkpoint()
    for _ in range(10):
        await runtime.checkpoint()


def test_each_client_is_a_task_of_the_runtime(runtime: Runtime) -> None:
    """As long as it is there, and no longer."""
    server = Server(port=0)

    async def body(address: Address) -> None:
        await ping(runtime, address)
        await all_gone(runtime, server)
        before = count_tasks(runtime)
        clients = [connect(address) for _ in range(CLIENTS)]
        for client in clients:
            client.send(b"PING\n")
            assert b"PONG\n" == await read(runtime, client, 5)
        assert before + CLIENTS <= count_tasks(runtime)
        for client in clients:
            client.close()
        await all_gone(runtime, server)
        assert before == count_tasks(runtime)

    with_server(runtime, server, body)


VARIABLE: contextvars.ContextVar[bytes] = contextvars.ContextVar("VARIABLE", default=b"nothing")


def service_with_a_variable() -> Service:
    """Commands that set and tell a context variable, at once or in time."""
    service = Service()

    @service.command("SET")
    def set_it(text: bytes) -> bytes:
        VARIABLE.set(text)
        return b"OK\n"

    @service.command("GET")
    def get() -> bytes:
        return VARIABLE.get() + b"\n"

    @service.command("SLEEP")
    def sleep(text: bytes) -> Iterator[Action]:
        VARIABLE.set(text)
        yield Sleep(0.001)
        yield Send(VARIABLE.get() + b"\n")

    @service.command("WORK")
    def work(text: bytes) -> Any:
        VARIABLE.set(text)
        computed = yield Compute(VARIABLE.get)
        yield Send(computed + VARIABLE.get() + b"\n")

    return service


def test_a_context_is_the_client_s_own(runtime: Runtime) -> None:
    """What one sets no other sees; it is kept from command to command."""
    server = Server(service_with_a_variable(), port=0)

    async def body(address: Address) -> None:
        with connect(address) as one, connect(address) as two:

            async def ask(client: socket.socket, request: bytes, reply: bytes) -> None:
                client.send(request + b"\n")
                assert reply + b"\n" == await read(runtime, client, len(reply) + 1)

            await ask(one, b"GET", b"nothing")
            await ask(one, b"SET one's", b"OK")
            await ask(two, b"GET", b"nothing")
            await ask(two, b"SLEEP two's", b"two's")
            await ask(one, b"GET", b"one's")
            await ask(one, b"WORK harder", b"harderharder")
            await ask(two, b"GET", b"two's")
            await ask(one, b"GET", b"harder")
            await ask(two, b"SET again", b"OK")
            await ask(two, b"GET", b"again")
        assert b"nothing\n" == await converse(runtime, address, b"GET\n")

    with_server(runtime, server, body)
    assert b"nothing" == VARIABLE.get()


def test_a_context_holds_across_a_sleep(runtime: Runtime) -> None:
    """While others set the same variable, and when what is pipelined comes after it."""
    server = Server(service_with_a_variable(), port=0)

    async def body(address: Address) -> None:
        async def talk(name: bytes) -> None:
            requests = b"SLEEP %s\nGET\nWORK %s\nGET\nSLEEP %s\n" % (name, name, name)
            expected = b"%s\n%s\n%s%s\n%s\n%s\n" % ((name,) * 6)
            assert expected * 3 == await converse(runtime, address, requests * 3)

        async with runtime.task_group() as group:
            for number in range(10):
                group.start_soon(talk, b"%d" % number)

    with_server(runtime, server, body)


def test_a_context_begins_with_the_server_s(runtime: Runtime) -> None:
    """What was set where it was started can be seen by every command."""
    server = Server(service_with_a_variable(), port=0)

    async def body(address: Address) -> None:
        assert b"outside\n" == await converse(runtime, address, b"GET\n")

    def serve() -> None:
        VARIABLE.set(b"outside")
        with_server(runtime, server, body)

    contextvars.copy_context().run(serve)


BUSY = {
    "sleeping": b"WAIT 86400\n",
    "computing": b"BURN 1000000000000\n",
    "not reading": b"STREAM 1000000000000\n",
    "idle": b"",
    "in a line": b"PIN",
    "pipelining": b"PING\n" * 1000 + b"WAIT 1\n" * 1000,
}


@pytest.mark.parametrize("what", BUSY)
def test_a_reset_ends_whatever_is_done(runtime: Runtime, what: str) -> None:
    """It is counted as one, and what was asked is let go of."""
    server = Server(port=0)

    async def body(address: Address) -> None:
        client = connect(address)
        client.send(b"PING\n" + BUSY[what])
        assert b"PONG\n" == await read(runtime, client, 5)
        for _ in range(10):
            await runtime.checkpoint()
        reset(client)
        await all_gone(runtime, server)

    with_server(runtime, server, body)
    assert 1 == server.stats.resets
    assert {"idle": 0, "line": 0, "write": 0} == server.stats.timeouts


def test_a_client_that_ends_its_side_while_it_is_busy_is_no_loss(runtime: Runtime) -> None:
    """Nor when our side is ended, too."""
    server = Server(port=0)

    async def body(address: Address) -> None:
        requests = b"WAIT 0.001\nBURN 50000\nSTREAM 70000\n"
        replies = b"DONE\nRESULT 1250025000\n" + b"A" * 70_000 + b"DONE\n"
        assert replies == await converse(runtime, address, requests)
        assert b"DONE\nLINE_TOO_LONG\n" == await converse(
            runtime, address, b"WAIT 0.001\n" + b"x" * 1100
        )
        await all_gone(runtime, server)

    with_server(runtime, server, body)
    assert 0 == server.stats.resets


def test_who_cannot_be_watched_costs_itself_alone(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection ends, and nobody finds it idle later."""
    server = Server(port=0)

    def fail(*_: object) -> None:
        raise OSError(28, "too many are watched")

    async def body(address: Address) -> None:
        with monkeypatch.context() as lacking, connect(address) as client:
            lacking.setattr(Resets, "watch", fail)
            client.send(b"WAIT 1\n")
            with contextlib.suppress(ConnectionResetError):
                assert b"" == await read(runtime, client)
            await all_gone(runtime, server)
        await ping(runtime, address)

    with_server(runtime, server, body)
    assert {"idle": 0, "line": 0, "write": 0} == server.stats.timeouts


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("how", ["cancelled", "stopped twice"])
def test_in_whatever_turn_it_ends_nothing_is_left(runtime: Runtime, turns: int, how: str) -> None:
    """Before a client is accepted, when its task has not begun yet, while it is opened, or after.

    Those who are refused as well.
    """
    server = Server(port=0, limit_connections=2, timeout_graceful=3600)

    async def main() -> None:
        (address,) = server.listen()
        clients = [connect(address) for _ in range(4)]
        for client in clients:
            client.send(b"PING\nWAIT 3600\n")
        async with runtime.task_group() as group:
            started = Started(runtime)
            cancel = group.start_soon(
                functools.partial(server.serve, runtime=runtime, task_status=started)
            )
            await started.event.wait()
            for _ in range(turns):
                await runtime.checkpoint()
            for end in (cancel,) if how == "cancelled" else (server.stop, server.stop):
                end()
        assert 0 == server.stats.active
        for client in clients:
            with contextlib.suppress(ConnectionResetError):
                assert (await read(runtime, client)) in {b"", b"PONG\n", b"SERVER_BUSY\n"}
            client.close()

    in_time(runtime, main)
    assert 0 == server.stats.resets


def test_a_graceful_stop_in_the_turn_of_an_accept_serves_who_came(runtime: Runtime) -> None:
    """Whatever had become of it by then: it had asked."""
    for turns in range(8):
        server = Server(port=0)

        async def body(address: Address, server: Server = server, turns: int = turns) -> None:
            with connect(address) as client:
                client.send(b"WAIT 0.001\nPING\n")
                for _ in range(turns):
                    await runtime.checkpoint()
                server.stop()
                assert b"DONE\nPONG\n" == await read(runtime, client)

        with_server(runtime, server, body)


@pytest.mark.parametrize("leave", [reset, socket.socket.close], ids=["reset", "close"])
def test_who_leaves_in_whatever_turn_leaves_nothing(
    runtime: Runtime, leave: Callable[[socket.socket], None]
) -> None:
    """From before it is accepted until it is served."""
    server = Server(port=0)

    async def body(address: Address) -> None:
        tasks = count_tasks(runtime)
        for turns in range(8):
            for request in (b"", b"PING\n", b"WAIT 0.001\nPING\n", b"STREAM 3000000\n"):
                client = connect(address)
                client.send(request)
                for _ in range(turns):
                    await runtime.checkpoint()
                leave(client)
        while server.stats.connections < 32:
            await runtime.checkpoint()
        await all_gone(runtime, server)
        assert tasks == count_tasks(runtime)
        await ping(runtime, address)

    with_server(runtime, server, body)
