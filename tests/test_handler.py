"""The handler by itself: a client in memory, on asyncio and on trio."""

import asyncio
import contextlib
import functools
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from dumb_async import Action, Service, Settings, dumb_service, handle
from dumb_async.hosting import Session, Stats, connect_to
from dumb_async.protocol import Close, Compute, Send, Sleep
from dumb_async.runtimes import Runtime, load

from .memory import MemoryConnection, MemoryContext, Waits
from .protocol.driver import converse as converse_without_driver

#: Requests that need every action, and what they are answered.
REQUESTS = b"PING\nBURN 50000\nWAIT 5\nSTREAM 70000\nSTREAM 300000\nPING\n"
REPLIES = converse_without_driver(dumb_service(), REQUESTS).sent

#: Everywhere that a handler waits.
PLACES = ("open", "serve", "send", "drain", "sleep", "compute", "linger", "aclose")


class Bench:
    """A client, its handler, and whatever is to happen where it waits."""

    def __init__(
        self,
        runtime: Runtime,
        reads: Iterable[bytes],
        service: Service | None = None,
        interfere: Callable[["Bench", str], object] = lambda *_: None,
        **stream: Any,
    ) -> None:
        service, options = service or dumb_service(), Settings()
        self.runtime = runtime
        self.stats = Stats(service.labels)
        self.waits = Waits(runtime, functools.partial(interfere, self))
        self.context = MemoryContext(self.waits, connect_to(service, options), options, self.stats)
        self.stream = MemoryConnection(self.waits, reads, **stream)
        self.session = self._new_session()
        self.end: Callable[[], object] = lambda: None

    async def run(self) -> None:
        """Run the handler to its end; then nothing may be left."""
        tasks = count_tasks(self.runtime)
        with contextlib.closing(self.context.resets):
            async with self.runtime.task_group() as group:
                context: Any = self.context
                self.end = group.start_soon(handle, self.stream, self.session, context)
                self.stream.cancel_task = self.end
            await self.runtime.checkpoint()
            assert tasks == count_tasks(self.runtime)
            self._check_that_nothing_is_left()

    def _new_session(self) -> Session[Any]:
        stream: Any = self.stream
        session: Session[Any] = Session(stream, self.context)
        self.context.sessions[stream] = session
        self.stats.active = 1
        return session

    def _check_that_nothing_is_left(self) -> None:
        assert self.stream.closed
        assert {} == self.context.sessions
        assert 0 == self.stats.active
        assert self.stream.read == self.stats.bytes_received
        assert len(self.stream.sent) + self.stream.unwritten == self.stats.bytes_sent
        assert {} == self.context.resets._streams
        deadlines: Any = self.context.deadlines
        assert not any(deadlines._buckets.values())
        assert isinstance(self.session.connection.next_action(), Close)
        locks: list[Any] = [self.context._turn, self.context._waking]
        assert [False, False] == [lock.locked() for lock in locks]


def count_tasks(runtime: Runtime) -> int:
    """How many the runtime has."""
    if runtime.name == "trio":
        return trio.lowlevel.current_statistics().tasks_living
    return len(asyncio.all_tasks())


def run(runtime: Runtime, bench: Callable[[], Bench]) -> Bench:
    """Make and run one, in no time."""

    async def main() -> Bench:
        one = bench()
        await one.run()
        return one

    if runtime.name == "trio":
        return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return asyncio.run(main())


EVERYTHING = (REQUESTS, b"x" * 2000, b"?\n", b"")


async def test_a_conversation(here: Runtime) -> None:
    """With every action there is, and every place to wait at."""
    bench = Bench(here, EVERYTHING, room=100_000)
    await bench.run()
    assert REPLIES + b"LINE_TOO_LONG\n" == bench.stream.sent
    assert bench.stream.shut
    assert set(PLACES) == set(bench.waits.seen)
    requests = {"ping": 2, "burn": 1, "wait": 1, "stream": 2, "too_long": 1}
    assert dict.fromkeys(bench.stats.requests, 0) | requests == bench.stats.requests
    assert 0 == bench.stats.resets


async def test_an_end_of_input_needs_no_farewell(here: Runtime) -> None:
    """The client is gone: it is closed once everything is answered."""
    bench = Bench(here, [REQUESTS, b"PIN", b""])
    await bench.run()
    assert REPLIES == bench.stream.sent
    assert not bench.stream.shut


async def test_a_byte_at_a_time(here: Runtime) -> None:
    """Is the same as all at once."""
    bench = Bench(here, [*(REQUESTS[at : at + 1] for at in range(len(REQUESTS))), b""])
    await bench.run()
    assert REPLIES == bench.stream.sent


async def test_a_ping_wakes_no_handler(here: Runtime) -> None:
    """It is answered while the handler is parked, once and for all."""
    bench = Bench(here, [b"PING\n"] * 5 + [b""])
    await bench.run()
    assert ["open", *["serve"] * 6, "aclose"] == bench.waits.seen
    assert b"PONG\n" * 5 == bench.stream.sent


def service_of(*actions: Action | Exception) -> Service:
    """A service with a command that takes these."""
    service = Service()

    @service.command("DO")
    def do() -> Iterator[Action]:
        for action in actions:
            if isinstance(action, Exception):
                raise action
            yield action

    return service


@pytest.mark.parametrize(
    ("actions", "sent", "seen"),
    [
        ([Send(b"x\n")], b"x\n", ["send"]),  # that is FLUSH: it was sent by whoever read
        ([Send(b"x" * 20_000)], b"x" * 20_000, ["send"]),
        ([Send(b"x" * 2_500_000)], b"x" * 2_500_000, ["send"] * 3),
        ([Sleep(0)], b"", ["sleep"] * 2),
        ([Sleep(3600), Send(b"x\n")], b"x\n", ["sleep", "sleep", "send"]),
        ([Compute(int, b"7"), Compute(int, b"8")], b"", ["compute"] * 2),
        ([Compute(int, b"x")], b"INTERNAL_ERROR\n", ["compute", "send", "linger"]),
        ([Sleep(1), Close()], b"", ["sleep", "sleep", "linger"]),
    ],
    ids=[
        "at once",
        "large",
        "in pieces",
        "no time",
        "time",
        "computations",
        "a failure",
        "a close",
    ],
)
async def test_every_action_is_performed(
    here: Runtime, actions: list[Action], sent: bytes, seen: list[str]
) -> None:
    """In its order, each with a checkpoint at the least."""
    bench = Bench(here, [b"DO\n", b""], service_of(*actions))
    await bench.run()
    assert sent == bench.stream.sent
    assert seen == [place for place in bench.waits.seen if place not in {"open", "serve", "aclose"}]


@pytest.mark.trio
async def test_a_sleep_takes_its_time() -> None:
    """On the runtime's clock."""
    bench = Bench(load("trio"), [b"WAIT 3600\nWAIT 0.5\n", b""])
    began = trio.current_time()
    await bench.run()
    assert 3600.5 == pytest.approx(trio.current_time() - began)


@pytest.mark.trio
async def test_who_does_not_leave_is_not_waited_for_for_ever() -> None:
    """It has heard us out, or never will."""
    bench = Bench(load("trio"), [b"x" * 2000])
    began = trio.current_time()
    await bench.run()
    assert 2.0 == pytest.approx(trio.current_time() - began)
    assert b"LINE_TOO_LONG\n" == bench.stream.sent


async def test_a_command_that_fails_is_logged(
    here: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    """Once; its client was told, and is no lost connection."""
    bench = Bench(here, [b"DO secret\n", b"DO\n", b""], service_of(Sleep(1), LookupError("secret")))
    await bench.run()
    (record,) = caplog.records
    assert "a command failed, its client was told and closed" in record.getMessage()
    assert "secret" not in caplog.text
    assert b"INVALID_ARGUMENT\nINTERNAL_ERROR\n" == bench.stream.sent
    assert 0 == bench.stats.resets


async def test_a_bug_costs_one_connection(here: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and comes out of nothing."""

    def fail(_: Bench, place: str) -> None:
        if place == "serve":
            raise ZeroDivisionError

    bench = Bench(here, [b"PING\n"], interfere=fail)
    await bench.run()
    (record,) = caplog.records
    assert logging.ERROR == record.levelno
    assert "a bug in the server" in record.getMessage()


#: What ends what is done for a client, and how often that counts as a loss.
ENDS: dict[str, tuple[Callable[[Bench], object], int]] = {
    "the server is cancelled": (lambda bench: bench.end(), 0),
    "a deadline or a stop": (lambda bench: bench.session.cancel(), 0),
    "a reset": (lambda bench: bench.context.lost(bench.stream), 1),
}


def ending(how: str, when: Callable[[Bench, str], bool]) -> Callable[[Bench, str], None]:
    """End it once ``when`` says so."""

    def interfere(bench: Bench, place: str) -> None:
        if when(bench, place) and not bench.stream.calls.count("ended"):
            bench.stream.calls.append("ended")
            ENDS[how][0](bench)

    return interfere


async def test_a_client_has_one_turn_at_a_time(here: Runtime) -> None:
    """However deeply it pipelines: between two turns it waits, and others have theirs."""
    answered = [0]

    def count(bench: Bench, _: str) -> None:
        answered.append(bench.stats.requests["ping"])

    bench = Bench(here, [b"PING\n" * 1000, b"PING\n" * 1000, b""], interfere=count)
    await bench.run()
    assert b"PONG\n" * 2000 == bench.stream.sent
    assert 256 == max(after - before for before, after in itertools.pairwise(answered))


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("place", PLACES)
async def test_cancelled_at_each_place_it_leaves_nothing(
    here: Runtime, place: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The stream is closed, the session is, the counters are right, and nothing is pending."""
    interfere = ending(how, lambda _, at: at == place)
    bench = Bench(here, EVERYTHING, interfere=interfere, room=100_000)
    await bench.run()
    assert "ended" in bench.stream.calls
    assert place == bench.waits.seen[-2 if place != "aclose" else -1]
    assert (REPLIES + b"LINE_TOO_LONG\n").startswith(bench.stream.sent)
    assert (ENDS[how][1] if place != "aclose" else 0) == bench.stats.resets
    assert {"idle": 0, "line": 0, "write": 0} == bench.stats.timeouts
    assert [] == caplog.records  # it is nobody's bug


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_cancelled_at_every_single_wait_it_leaves_nothing(name: str, how: str) -> None:
    """One after the other, from the first to the last."""
    runtime = load(name)
    whole = run(runtime, lambda: Bench(runtime, EVERYTHING, room=100_000))
    for count in range(1, len(whole.waits.seen) + 1):

        def when(bench: Bench, _: str, count: int = count) -> bool:
            return len(bench.waits.seen) == count

        run(
            runtime,
            lambda when=when: Bench(  # type: ignore[misc]
                runtime, EVERYTHING, interfere=ending(how, when), room=100_000
            ),
        )


@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_lost_at_every_single_call_it_leaves_nothing(name: str) -> None:
    """Counted once each, unless it was closed already."""
    runtime, resets = load(name), []
    for call in range(100):
        bench = run(runtime, lambda call=call: Bench(runtime, EVERYTHING, lose_at=call, room=1e5))  # type: ignore[misc]
        resets.append(bench.stats.resets)
        if not bench.stream.lost:
            break
        assert (REPLIES + b"LINE_TOO_LONG\n").startswith(bench.stream.sent)
    # Whoever is lost while we see it out is not: it has heard, or left.
    assert [1] * resets.count(1) + [0] * resets.count(0) == resets
    assert 10 < resets.count(1)
    assert 2 <= resets.count(0) < 8


@pytest.mark.trio
async def test_cancelled_before_it_begins_it_closes() -> None:
    """On trio, where a task begins in any case; on asyncio it is the server that closes."""
    bench = Bench(load("trio"), [b"PING\n"])

    async def cancelled() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await bench.run()

    await cancelled()
    assert bench.stream.closed


requests = st.lists(
    st.sampled_from(
        [
            b"PING\n", b"WAIT 0.5\n", b"BURN 50000\n", b"BURN 3\n", b"STREAM 9\n", b"STREAM x\n",
            b"STREAM 17000\n", b"STREAM 300000\n", b"\n", b"P",
        ]
    ),
    max_size=8,
)  # fmt: skip


def cut(text: bytes, cuts: list[int]) -> list[bytes]:
    """Cut ``text`` at these places, as far as it goes; then it ends."""
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [*(text[start:stop] for start, stop in itertools.pairwise(places)), b""]


@settings(max_examples=150)
@given(
    name=st.sampled_from(["asyncio", "trio"]),
    lines=requests,
    cuts=st.lists(st.integers(0, 100), max_size=6),
    room=st.sampled_from([0.0, 10.0, 20_000.0, float("inf")]),
    lose_at=st.one_of(st.just(-1), st.integers(0, 20)),
)
def test_whatever_the_client_does_it_is_served_to_its_end(
    name: str, lines: list[bytes], cuts: list[int], room: float, lose_at: int
) -> None:
    """However its bytes are cut, whenever it pauses, and wherever it is lost."""
    text, runtime = b"".join(lines), load(name)
    bench = run(runtime, lambda: Bench(runtime, cut(text, cuts), room=room, lose_at=lose_at))
    expected = converse_without_driver(dumb_service(), text).sent
    if bench.stream.lost:
        assert expected.startswith(bench.stream.sent)
        assert 1 == bench.stats.resets
    else:
        assert expected == bench.stream.sent
        assert 0 == bench.stats.resets
        assert len(text) == bench.stats.bytes_received
