"""The whole server on every runtime, inside everybody's own task groups."""

import asyncio
import errno
import functools
import socket
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio

import dumb_async
from dumb_async import Action, Send, Server, Service, Sleep
from dumb_async.hosting.acceptor import BURST, REFUSALS_AT_A_TIME
from dumb_async.runtimes import NAMES, Runtime, current, load
from dumb_async.server import Address

from .support import (
    Started,
    connect,
    converse,
    in_time,
    is_cut,
    open_descriptors,
    read,
    reset,
    with_server,
)

CONVERSATION = b"PING\nWAIT 0.001\nBURN 2000\nSTREAM 70000\nWAIT x\nnonsense\nPI"
REPLIES = (
    b"PONG\nDONE\nRESULT 2001000\n" + b"A" * 70_000 + b"DONE\nINVALID_ARGUMENT\nUNKNOWN_COMMAND\n"
)


@pytest.fixture(scope="module", autouse=True)
def warm_up() -> None:
    """What a runtime opens once and for all is none of the server's business."""
    for name in NAMES:
        runtime = load(name)
        runtime.run(runtime.checkpoint)


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """As many descriptors as before: nothing is left for the garbage collector to close."""
    before = open_descriptors()
    yield
    assert before == open_descriptors()


def test_a_conversation(runtime: Runtime) -> None:
    """The same bytes on every runtime, and nothing is left."""
    server = Server(port=0)

    async def body(address: Address) -> None:
        assert REPLIES == await converse(runtime, address, CONVERSATION)

    with_server(runtime, server, body)
    stats = server.stats
    assert (0, 1) == (stats.active, stats.connections)
    assert (len(CONVERSATION), len(REPLIES)) == (stats.bytes_received, stats.bytes_sent)
    assert {
        "ping": 1, "wait": 1, "burn": 1, "stream": 1, "invalid": 1, "unknown": 1, "too_long": 0,
    } == stats.requests  # fmt: skip


def test_many_conversations_at_once(runtime: Runtime) -> None:
    """Nobody gets what is another's."""
    server = Server(port=0, limit_pipeline=3)

    async def body(address: Address) -> None:
        async def talk(number: int) -> None:
            count = 1500 + number
            requests = b"BURN %d\nWAIT 0.001\nSTREAM %d\n" % (count, 20_000 + number)
            replies = b"RESULT %d\nDONE\n" % (count * (count + 1) // 2)
            replies += b"A" * (20_000 + number) + b"DONE\n"
            assert replies * 4 == await converse(runtime, address, requests * 4)

        async with runtime.task_group() as group:
            for number in range(12):
                group.start_soon(talk, number)

    with_server(runtime, server, body)
    assert 12 == server.stats.connections


def test_a_reader_that_pauses_gets_everything(runtime: Runtime) -> None:
    """The server waits until there is room again, and goes on where it was."""
    server = Server(port=0)

    async def body(address: Address) -> None:
        with connect(address, receive_buffer=10_000) as client:
            client.send(b"STREAM 8000000\nPING\n")
            for size in (1, 100_000, 1_000_000):
                await runtime.sleep(0.002)
                assert b"A" * size == await read(runtime, client, size)
            rest = 8_000_000 - 1_100_001
            expected = b"A" * rest + b"DONE\nPONG\n"
            assert (expected == await read(runtime, client, rest + 10)) is True

    with_server(runtime, server, body)


def test_one_too_many_is_refused(runtime: Runtime) -> None:
    """Until somebody leaves."""
    server = Server(port=0, limit_connections=2)

    async def body(address: Address) -> None:
        with connect(address) as first, connect(address) as second:
            for client in (first, second):
                client.send(b"PING\n")
                assert b"PONG\n" == await read(runtime, client, 5)
            assert b"SERVER_BUSY\n" == await converse(runtime, address, b"")
        assert b"PONG\n" == await converse(runtime, address, b"PING\n")

    with_server(runtime, server, body)
    assert 3 == server.stats.connections
    assert {"busy": 1} == server.stats.rejected


def test_a_flood_of_refused_clients_is_closed_at_once(runtime: Runtime) -> None:
    """Some are given time to read why; each costs a descriptor."""
    server = Server(port=0, limit_connections=1)

    async def body(address: Address) -> None:
        with connect(address) as first:
            first.send(b"PING\n")
            assert b"PONG\n" == await read(runtime, first, 5)
            flood = [connect(address) for _ in range(REFUSALS_AT_A_TIME + 8)]
            for client in flood:
                assert b"SERVER_BUSY\n" == await read(runtime, client)
            cut = [is_cut(client) for client in flood]
            assert 8 == sum(cut)
            for client in flood:
                client.close()
            first.send(b"PING\n")
            assert b"PONG\n" == await read(runtime, first, 5)

    with_server(runtime, server, body)
    assert REFUSALS_AT_A_TIME + 8 == server.stats.rejected["busy"]


def test_a_command_that_fails_is_logged_once(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is told and closed; what it has sent is in no log."""
    service = Service()

    @service.command("BOOM")
    def boom(text: bytes) -> bytes:
        raise ValueError(text)

    async def body(address: Address) -> None:
        assert b"INTERNAL_ERROR\n" == await converse(runtime, address, b"BOOM secret\nBOOM x\n")

    with_server(runtime, Server(service, port=0), body)
    (record,) = caplog.records
    assert "ERROR" == record.levelname
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_a_stop_before_the_start_stops_at_once(runtime: Runtime) -> None:
    """There was nobody to serve."""
    server = Server(port=0)
    server.stop()
    in_time(runtime, functools.partial(server.serve, runtime=runtime))
    assert 0 == server.stats.connections


def test_whoever_had_connected_before_a_stop_is_served(runtime: Runtime) -> None:
    """Even if the accept loop had not yet come to it."""
    server = Server(port=0)

    async def main() -> None:
        (address,) = server.listen()
        with connect(address) as client:
            client.send(b"PING\n")
            server.stop()
            await server.serve(runtime=runtime)
            assert b"PONG\n" == await read(runtime, client)

    in_time(runtime, main)


def test_nobody_gets_in_after_a_stop(runtime: Runtime) -> None:
    """While those who are in are still served."""
    server = Server(port=0)

    async def body(address: Address) -> None:
        with connect(address) as client:
            client.send(b"WAIT 0.02\n")
            while not server.stats.requests["wait"]:
                await runtime.checkpoint()
            server.stop()
            for _ in range(20):
                await runtime.checkpoint()
            with pytest.raises(ConnectionRefusedError):
                connect(address)
            assert b"DONE\n" == await read(runtime, client)

    with_server(runtime, server, body)


@pytest.mark.parametrize("stops", ["together", "apart"])
def test_a_second_stop_cuts_everybody_off(runtime: Runtime, stops: str) -> None:
    """Whatever they are doing."""
    server = Server(port=0)
    requests = [b"", b"PIN", b"WAIT 3600\n", b"BURN 1000000000000\n", b"STREAM 1000000000000\n"]

    async def body(address: Address) -> None:
        clients = [connect(address) for _ in requests]
        for client, request in zip(clients, requests, strict=True):
            client.send(b"PING\n" + request)
            assert b"PONG\n" == await read(runtime, client, 5)
        server.stop()
        while stops == "apart" and server.stats.active > 3:  # the idle ones go by themselves
            await runtime.checkpoint()
        server.stop()
        while server.stats.active:
            await runtime.checkpoint()
        for client in clients:
            client.close()

    with_server(runtime, server, body)


@pytest.mark.parametrize("stops", [1, 2])
def test_refused_clients_do_not_survive_a_stop(runtime: Runtime, stops: int) -> None:
    """Also those who came in the very turn of it."""
    server = Server(port=0, limit_connections=1)

    async def body(address: Address) -> None:
        with connect(address) as first:
            first.send(b"PING\n")
            assert b"PONG\n" == await read(runtime, first, 5)
            others = [connect(address) for _ in range(3)]
            for _ in range(stops):
                server.stop()
            while server.stats.active:
                await runtime.checkpoint()
            for client in others:
                client.close()

    with_server(runtime, server, body)


def test_cancelled_it_closes_everything(runtime: Runtime) -> None:
    """At once, and without an exception of its own."""
    server = Server(port=0)

    async def main() -> None:
        started, ended = Started(runtime), runtime.event()

        async def serve() -> None:
            try:
                await server.serve(runtime=runtime, task_status=started)
            finally:
                ended.set()

        async with runtime.task_group() as group:
            cancel = group.start_soon(serve)
            await started.event.wait()
            clients = [connect(started.addresses[0]) for _ in range(4)]
            for client, request in zip(
                clients,
                (b"", b"WAIT 60\n", b"BURN 1000000000000\n", b"STREAM 1000000000\n"),
                strict=True,
            ):
                client.send(b"PING\n" + request)
                assert b"PONG\n" == await read(runtime, client, 5)
            cancel()
            await ended.wait()
            assert 0 == server.stats.active
            with pytest.raises(ConnectionRefusedError):
                connect(started.addresses[0])
            for client in clients:
                client.close()

    in_time(runtime, main)


def test_a_taken_port_is_a_plain_error(runtime: Runtime) -> None:
    """Not one in a group, and nothing has been started."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        server = Server(port=port)
        for wanted in (
            functools.partial(server.serve, runtime=runtime),
            functools.partial(dumb_async.serve, port=port),
        ):
            with pytest.raises(OSError, match=f"127.0.0.1:{port}") as caught:
                runtime.run(wanted)
            assert errno.EADDRINUSE == caught.value.errno


def test_every_address_of_localhost_is_served(runtime: Runtime) -> None:
    """On one port, which is told."""
    server = Server(host="localhost", port=0)

    async def body(_: Address) -> None:
        assert 1 == len({port for _, port in server.listen()})
        for address in server.listen():
            assert b"PONG\n" == await converse(runtime, address, b"PING\n")

    with_server(runtime, server, body)


def test_it_listens_when_it_is_told_to() -> None:
    """Once, so that a taken port shows before there is a loop."""
    server = Server(port=0)
    addresses = server.listen()
    assert addresses == server.listen()
    server.stop()
    asyncio.run(server.serve())


@pytest.mark.parametrize("options", [{"port": -1}, {"timeout_idle": float("nan")}])
def test_settings_out_of_range_are_refused(options: dict[str, Any]) -> None:
    """Before anything is opened."""
    with pytest.raises(ValueError, match=next(iter(options))):
        Server(**options)
    with pytest.raises(TypeError, match="unknown_setting"):
        Server(unknown_setting=1)


BACKENDS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="asyncio+uvloop"),
    pytest.param(("trio", {}), id="trio"),
]


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Everything that anyio runs on."""
    return request.param


@pytest.mark.anyio
async def test_in_a_task_group_of_anyio() -> None:
    """Started with `start`, which gives the addresses; ended by cancelling the group."""
    async with anyio.create_task_group() as group:
        (address,) = await group.start(functools.partial(dumb_async.serve, port=0))
        assert REPLIES == await converse(current(), address, CONVERSATION)
        async with await anyio.connect_tcp(*address) as stream:
            await stream.send(b"PING\nWAIT 60\n")
            assert b"PONG\n" == await stream.receive()
            group.cancel_scope.cancel()
    with pytest.raises(ConnectionRefusedError):
        connect(address)


@pytest.mark.anyio
async def test_in_a_scope_of_anyio_with_a_deadline() -> None:
    """Which is kept, and swallowed by nobody."""
    with anyio.move_on_after(0.01) as scope:
        await dumb_async.serve(port=0)
    assert scope.cancelled_caught
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.01):
            await dumb_async.serve(port=0)


@pytest.mark.anyio
async def test_a_neighbour_in_the_group_of_anyio_that_fails_ends_it() -> None:
    """As it ends every task there."""

    async def fail(address: Address) -> None:
        assert b"PONG\n" == await converse(current(), address, b"PING\n")
        raise LookupError

    async def serve_and_fail() -> None:
        async with anyio.create_task_group() as group:
            (address,) = await group.start(functools.partial(dumb_async.serve, port=0))
            group.start_soon(fail, address)

    with pytest.raises(ExceptionGroup) as caught:
        await serve_and_fail()
    assert caught.group_contains(LookupError)


@pytest.mark.anyio
async def test_a_taken_port_fails_the_start_in_anyio() -> None:
    """And not the group only when it is left."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        async with anyio.create_task_group() as group:
            with pytest.raises(OSError, match=str(port)):
                await group.start(functools.partial(dumb_async.serve, port=port))


@pytest.mark.anyio
async def test_stopped_gracefully_in_a_group_of_anyio() -> None:
    """It ends, and the group goes on."""
    server = Server(port=0)
    async with anyio.create_task_group() as group:
        (address,) = await group.start(functools.partial(server.serve))
        with connect(address) as client:
            client.send(b"WAIT 0.005\nPING\n")
            while not server.stats.requests["wait"]:
                await anyio.lowlevel.checkpoint()
            server.stop()
            assert b"DONE\nPONG\n" == await read(current(), client)


def test_in_a_nursery_of_trio() -> None:
    """As its own documentation would have it."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            (address,) = await nursery.start(functools.partial(dumb_async.serve, port=0))
            stream = await trio.open_tcp_stream(*address)
            async with stream:
                await stream.send_all(b"PING\n")
                assert b"PONG\n" == await stream.receive_some()
            nursery.cancel_scope.cancel()

    trio.run(main)


@pytest.mark.asyncio
async def test_in_a_task_group_of_asyncio() -> None:
    """Told by a future, and ended by cancelling its task."""
    bound: asyncio.Future[list[Address]] = asyncio.get_running_loop().create_future()

    class Status:
        def started(self, value: list[Address], /) -> None:
            bound.set_result(value)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(dumb_async.serve(port=0, task_status=Status()))
        (address,) = await bound
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"PING\nWAIT 60\n")
        assert b"PONG\n" == await reader.readline()
        task.cancel()
        assert b"" == await reader.read()
        writer.close()
        await writer.wait_closed()
    assert task.cancelled()


@pytest.mark.asyncio
async def test_in_a_timeout_of_asyncio() -> None:
    """Which is kept, and swallowed by nobody."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await dumb_async.serve(port=0)


def test_two_servers_on_one_loop(runtime: Runtime) -> None:
    """They share nothing."""
    one, two = Server(port=0), Server(port=0)

    async def body(address: Address) -> None:
        async def inner(other: Address) -> None:
            assert b"PONG\n" == await converse(runtime, address, b"PING\n")
            assert b"PONG\nPONG\n" == await converse(runtime, other, b"PING\nPING\n")

        started = Started(runtime)
        async with runtime.task_group() as group:
            group.start_soon(functools.partial(two.serve, runtime=runtime, task_status=started))
            await started.event.wait()
            await inner(started.addresses[0])
            two.stop()

    with_server(runtime, one, body)
    assert (1, 2) == (one.stats.requests["ping"], two.stats.requests["ping"])


def test_a_server_serves_once() -> None:
    """And says so, where a second time would meet closed sockets."""

    async def main() -> None:
        server = Server(port=0)
        server.stop()
        await server.serve()
        with pytest.raises(RuntimeError, match="once"):
            await server.serve()

    asyncio.run(main())


@pytest.mark.parametrize("leave", [reset, socket.socket.close], ids=["reset", "close"])
def test_a_command_whose_clean_up_fails_costs_one_connection(
    runtime: Runtime, leave: Callable[[socket.socket], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Its client is gone; the others are served, and the failure is logged."""
    service = Service()
    service.constant("PING", b"PONG\n")

    @service.command("HOLD")
    def hold() -> Iterator[Action]:
        try:
            yield Sleep(0.01 if leave is socket.socket.close else 3600)
            yield Send(b"A" * 10_000_000)
        finally:
            raise LookupError

    server = Server(service, port=0)

    async def body(address: Address) -> None:
        client = connect(address)
        client.send(b"HOLD\n")
        while not server.stats.requests["hold"]:
            await runtime.checkpoint()
        leave(client)
        while server.stats.active:
            await runtime.checkpoint()
        assert b"PONG\n" == await converse(runtime, address, b"PING\n")

    with_server(runtime, server, body)
    assert "LookupError" in caplog.text
    assert not [record for record in caplog.records if record.name == "asyncio"]


def test_everybody_who_had_connected_before_a_stop_is_served(runtime: Runtime) -> None:
    """However many there are in the queue."""
    server = Server(port=0)

    async def main() -> None:
        (address,) = server.listen()
        clients = [connect(address) for _ in range(2 * BURST + 5)]
        for client in clients:
            client.send(b"PING\n")
        server.stop()
        await server.serve(runtime=runtime)
        for client in clients:
            assert b"PONG\n" == await read(runtime, client)
            client.close()

    in_time(runtime, main)


def test_two_stops_before_the_start_serve_nobody(runtime: Runtime) -> None:
    """Whoever is in the queue is cut off."""
    server = Server(port=0, timeout_graceful=3600)

    async def main() -> None:
        (address,) = server.listen()
        with connect(address) as client:
            client.send(b"WAIT 3600\n")
            server.stop()
            server.stop()
            await server.serve(runtime=runtime)
            while not is_cut(client):
                await runtime.checkpoint()

    in_time(runtime, main)


def test_who_leaves_makes_room_for_who_comes(runtime: Runtime) -> None:
    """Even if both happen in one turn."""
    server = Server(port=0, limit_connections=1)

    async def body(address: Address) -> None:
        for _ in range(20):
            with connect(address) as client:
                client.send(b"PING\n")
                assert b"PONG\n" == await read(runtime, client, 5)

    with_server(runtime, server, body)
    assert {"busy": 0} == server.stats.rejected


def test_refusals_that_fail_leave_room_for_others(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often there was no memory to be gentle: later, refused clients have their time."""
    server = Server(port=0, limit_connections=1)

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    async def body(address: Address) -> None:
        with connect(address) as first:
            first.send(b"PING\n")
            assert b"PONG\n" == await read(runtime, first, 5)
            with monkeypatch.context() as lacking:
                lacking.setattr(runtime, "stream", fail)
                for _ in range(REFUSALS_AT_A_TIME):
                    with connect(address) as client:
                        assert b"SERVER_BUSY\n" == await read(runtime, client)
            with connect(address) as client:
                assert b"SERVER_BUSY\n" == await read(runtime, client)
                assert not is_cut(client)

    with_server(runtime, server, body)
    assert {"busy": REFUSALS_AT_A_TIME + 1} == server.stats.rejected


def test_refused_clients_that_leave_make_room_for_others(runtime: Runtime) -> None:
    """However many there were, the next one has its time to read why."""
    server = Server(port=0, limit_connections=1)

    async def body(address: Address) -> None:
        with connect(address) as first:
            first.send(b"PING\n")
            assert b"PONG\n" == await read(runtime, first, 5)
            for _ in range(REFUSALS_AT_A_TIME):
                assert b"SERVER_BUSY\n" == await converse(runtime, address, b"")
            with connect(address) as client:
                assert b"SERVER_BUSY\n" == await read(runtime, client)
                assert not is_cut(client)

    with_server(runtime, server, body)
