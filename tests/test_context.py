"""The server's context: a turn is bounded, and who is lost or leaves is let go of."""

import contextlib
import itertools
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from dumb_async import Settings, dumb_service
from dumb_async.context import Client, ServerContext
from dumb_async.hosting import Session, Stats, connect_to
from dumb_async.protocol import Compute, Sleep
from dumb_async.runtimes import Runtime

from .memory import MemoryStream
from .support import in_time

CROWD = 1000


class Stream(MemoryStream):
    """A client in memory whose descriptor has no errors."""

    def __init__(self, fd: int, room: float = float("inf")) -> None:
        super().__init__(room)
        self.fd = fd

    def cancellable(self) -> contextlib.AbstractContextManager[None]:
        """See `RuntimeStream`."""
        return contextlib.nullcontext()

    async def aclose(self) -> None:
        """See `RuntimeStream`."""
        self.calls.append("aclose")


class Core:
    """Computes anything."""

    def compute(self, action: Compute) -> None:
        """See `protocol.Core`."""


@pytest.fixture
def fd() -> Iterator[int]:
    """A descriptor that an epoll takes, and which never has an error."""
    one = os.eventfd(0)
    yield one
    os.close(one)


@pytest.fixture
def context(runtime: Runtime) -> Iterator[ServerContext]:
    """A context without clients."""
    service, settings = dumb_service(), Settings()
    one = ServerContext(runtime, connect_to(service, settings), settings, Stats(service.labels))
    with contextlib.closing(one.resets):
        yield one


def join(context: ServerContext, fd: int) -> Client:
    """A new client, as the listener takes it in."""
    stream: Any = Stream(fd)
    session: Client = Session(stream, context)
    context.sessions[stream] = session
    context.stats.active = len(context.sessions)
    return session


def most_in_a_turn(
    runtime: Runtime, work: Callable[[], Awaitable[object]], wake: Callable[[], object] = list
) -> int:
    """How many of a crowd get done with ``work`` in one turn of the loop.

    :param wake: called once they wait.
    """
    done: list[object] = []

    async def one() -> None:
        await work()
        done.append(None)

    async def main() -> int:
        counts = [0]
        async with runtime.task_group() as group:
            for _ in range(CROWD):
                group.start_soon(one)
            while len(done) < CROWD:
                await runtime.checkpoint()
                counts.append(len(done))
                if len(counts) == 4:
                    wake()
        return max(after - before for before, after in itertools.pairwise(counts))

    return in_time(runtime, main)


def test_those_who_wake_up_together_go_on_one_by_one(
    runtime: Runtime, context: ServerContext, fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand WAITs due in the same instant do not hold up everybody else."""
    events: list[Any] = []
    session = join(context, fd)

    async def sleep_together(_: float) -> None:
        if not events:
            events.append(runtime.event())
        await events[0].wait()

    monkeypatch.setattr(runtime, "sleep", sleep_together)
    assert 2 >= most_in_a_turn(
        runtime, lambda: context.sleep(session, 5), lambda: events.pop().set()
    )


@pytest.mark.parametrize("what", ["compute", "send"])
def test_large_things_are_done_one_a_turn(
    runtime: Runtime, context: ServerContext, fd: int, what: str
) -> None:
    """However many clients want them."""
    session = join(context, fd)
    session.connection = Core()  # type: ignore[assignment]

    def work() -> Awaitable[object]:
        if what == "compute":
            return context.compute(session, Compute(int))
        return context.send(session, b"x" * 20_000)

    assert 2 >= most_in_a_turn(runtime, work)


def test_a_large_thing_of_one_kind_waits_for_one_of_the_other(
    runtime: Runtime, context: ServerContext, fd: int
) -> None:
    """There is one a turn, whichever."""
    session, turns = join(context, fd), [0]
    session.connection = Core()  # type: ignore[assignment]

    def work() -> Awaitable[object]:
        turns[0] += 1
        if turns[0] % 2:
            return context.compute(session, Compute(int))
        return context.send(session, b"x" * 20_000)

    assert 2 >= most_in_a_turn(runtime, work)


def test_who_is_lost_is_counted_once(context: ServerContext, fd: int) -> None:
    """And what is done for it is broken off, whoever has noticed, and however often."""
    session = join(context, fd)
    context.resets.watch(session.stream)
    context.lost(session.stream)
    session.lost(BrokenPipeError())
    assert 1 == context.stats.resets
    assert ["cancel"] == session.stream.calls  # type: ignore[attr-defined]
    assert {} == context.resets._streams


def test_who_leaves_is_let_go_of(context: ServerContext, fd: int) -> None:
    """The last one is told of."""
    empty: list[bool] = []
    context.when_empty = lambda: empty.append(True)
    one, two = join(context, fd), join(context, fd)
    context.resets.watch(one.stream)
    one.close()
    assert ({two.stream: two}, 1, []) == (context.sessions, context.stats.active, empty)
    assert {} == context.resets._streams
    two.close()
    assert ({}, 0, [True]) == (context.sessions, context.stats.active, empty)
    context.lost(two.stream)  # the transport tells later
    assert 0 == context.stats.resets


def test_closing_closes_whom_nobody_has_closed(
    runtime: Runtime, context: ServerContext, fd: int
) -> None:
    """With what was asked by them."""
    sessions = [join(context, fd) for _ in range(3)]
    assert Sleep(5) == sessions[0].receive(b"WAIT 5\n")
    in_time(runtime, context.aclose)
    assert [["aclose"]] * 3 == [session.stream.calls for session in sessions]  # type: ignore[attr-defined]
    assert ({}, 0) == (context.sessions, context.stats.active)
