"""How clients come in: each with a task, or with a reason why not."""

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from dumb_async import Settings, dumb_service
from dumb_async.context import ServerContext
from dumb_async.hosting import REFUSALS_AT_A_TIME, Stats, connect_to
from dumb_async.listener import Clients
from dumb_async.runtimes import Runtime, load

from .support import PATIENCE, tcp_pair


class Group:
    """Takes tasks, which nobody runs."""

    def __init__(self) -> None:
        self.started: list[tuple[Any, ...]] = []
        self.errors: list[BaseException] = []

    def start_soon(self, *_: Any) -> Any:
        """See `TaskGroup`."""
        raise NotImplementedError

    def start_stream(self, *args: Any) -> None:
        """See `TaskGroup`."""
        if self.errors:
            raise self.errors.pop()
        self.started.append(args)


class Bench:
    """Those who take clients in, and what they have to do with."""

    def __init__(self, runtime: Runtime, **options: Any) -> None:
        service, settings = dumb_service(), Settings(**options)
        self.stats = Stats(service.labels)
        self.context = ServerContext(runtime, connect_to(service, settings), settings, self.stats)
        self.group = Group()
        self.clients = Clients(self.context, runtime, self.group)

    def take(self, stack: contextlib.ExitStack) -> tuple[socket.socket, socket.socket]:
        """Take in a new client; return its socket and ours."""
        client, server = stack.enter_context(tcp_pair())
        client.settimeout(PATIENCE)
        self.clients.acceptor.take(server)
        return client, server


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    """Closes every socket."""
    with contextlib.ExitStack() as one:
        yield one


@pytest.fixture
def bench(stack: contextlib.ExitStack) -> Bench:
    """Room for two."""
    one = Bench(load("trio"), limit_connections=2)
    stack.callback(one.context.resets.close)
    return one


def test_each_client_has_a_task(bench: Bench, stack: contextlib.ExitStack) -> None:
    """And is counted, until there is no room."""
    assert not bench.clients.full
    for count in (1, 2):
        bench.take(stack)
        assert count == len(bench.group.started)
        assert (count, count) == (bench.stats.connections, bench.stats.active)
    assert bench.clients.full
    streams = [args[1] for args in bench.group.started]
    assert streams == list(bench.context.sessions)


def test_who_is_too_many_is_told_and_has_a_task_to_be_seen_out(
    bench: Bench, stack: contextlib.ExitStack
) -> None:
    """Some of them; beyond that they are closed at once."""
    for _ in range(2):
        bench.take(stack)
    for number in range(REFUSALS_AT_A_TIME + 2):
        client, server = bench.take(stack)
        assert b"SERVER_BUSY\n" == client.recv(100)
        assert (number >= REFUSALS_AT_A_TIME) is (server.fileno() == -1)
    assert 2 + REFUSALS_AT_A_TIME == len(bench.group.started)
    assert (2, 2) == (bench.stats.connections, bench.stats.active)
    assert REFUSALS_AT_A_TIME + 2 == bench.stats.rejected["busy"]


def test_who_cannot_be_given_a_task_was_never_there(
    bench: Bench, stack: contextlib.ExitStack
) -> None:
    """It counts as rejected, is closed, and holds nobody up."""
    bench.group.errors = [MemoryError(), MemoryError()]
    client, server = bench.take(stack)
    assert {} == bench.context.sessions
    assert (0, 0) == (bench.stats.connections, bench.stats.active)
    assert {"busy": 0, "memory": 1} == bench.stats.rejected
    deadlines: Any = bench.context.deadlines
    assert not any(deadlines._buckets.values())
    assert -1 == server.fileno()
    with contextlib.suppress(ConnectionResetError):
        assert client.recv(100) in {b"", b"SERVER_BUSY\n"}


def test_refusals_without_a_task_leave_room_for_others(
    bench: Bench, stack: contextlib.ExitStack
) -> None:
    """However often there was no memory to be gentle."""
    for _ in range(2):
        bench.take(stack)
    bench.group.errors = [MemoryError()] * REFUSALS_AT_A_TIME
    for _ in range(REFUSALS_AT_A_TIME):
        assert -1 == bench.take(stack)[1].fileno()
    before = len(bench.group.started)
    bench.take(stack)
    assert before + 1 == len(bench.group.started)


def test_who_is_told_to_go_and_who_is_broken_off(bench: Bench, stack: contextlib.ExitStack) -> None:
    """Everybody; the latter is for those who are refused, too."""
    calls: list[tuple[str, int]] = []
    for _ in range(3):
        bench.take(stack)
    streams = [args[1] for args in bench.group.started]
    with pytest.MonkeyPatch.context() as monkeypatch:
        for what in ("feed_eof", "cancel"):
            monkeypatch.setattr(
                type(streams[0]), what, lambda stream, what=what: calls.append((what, stream.fd))
            )
        bench.clients.end_input()
        bench.clients.cancel()
    ours = [stream.fd for stream in streams]
    assert [("feed_eof", fd) for fd in ours[:2]] + [("cancel", fd) for fd in ours] == calls
    assert all(os.fstat(fd) for fd in ours)
