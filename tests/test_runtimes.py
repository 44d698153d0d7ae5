"""The seam: whatever a runtime is made of, it behaves the same."""

import asyncio
import functools
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from dumb_async.runtimes import NAMES, Event, Runtime, current, load, resolve
from dumb_async.runtimes.base import Cancel

from .support import BRIEFLY, in_time, reset, tcp_pair

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two connected sockets that do not block."""
    one, two = socket.socketpair()
    with one, two:
        one.setblocking(False)
        two.setblocking(False)
        yield one, two


def test_run_returns_what_main_returns(runtime: Runtime) -> None:
    """And its exceptions are plain."""

    async def answer() -> int:
        await runtime.checkpoint()
        return 42

    async def fail() -> None:
        raise LookupError

    assert 42 == runtime.run(answer)
    with pytest.raises(LookupError):
        runtime.run(fail)


def test_the_name_is_that_of_the_command_line(runtime: Runtime) -> None:
    """`load` of it gives the like."""
    assert runtime.name in NAMES
    assert runtime.name == load(runtime.name).name


def test_current_finds_the_loop_at_hand(runtime: Runtime) -> None:
    """Below anyio it is the loop that anyio runs on."""

    async def name() -> str:
        return current().name

    assert runtime.name.removeprefix("anyio-") == runtime.run(name)


def test_current_outside_of_any_loop_is_an_error() -> None:
    """There is none."""
    with pytest.raises(RuntimeError):
        current()


def test_an_unknown_runtime_is_refused() -> None:
    """The message names those that there are."""
    with pytest.raises(ValueError, match=r"twisted.*auto, asyncio, uvloop, trio, anyio-asyncio"):
        load("twisted")


def test_auto_is_uvloop_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """And asyncio elsewhere."""
    assert "uvloop" == resolve("auto") == load("auto").name
    assert "trio" == resolve("trio")
    monkeypatch.setitem(sys.modules, "dumb_async.runtimes.uvloop_", None)
    assert "asyncio" == resolve("auto") == load("auto").name


def test_a_runtime_that_is_not_installed_is_an_import_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others can be had all the same."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.delitem(sys.modules, "dumb_async.runtimes.uvloop_", raising=False)
    with pytest.raises(ImportError):
        load("uvloop")
    assert "asyncio" == load("asyncio").name


def test_uvloop_changes_nothing_for_others() -> None:
    """No policy is touched: the next loop that somebody makes is the standard one."""

    async def module_of_loop() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert load("uvloop").run(module_of_loop).startswith("uvloop")
    assert asyncio.run(module_of_loop()).startswith("asyncio")
    assert load("asyncio").run(module_of_loop).startswith("asyncio")


def test_a_sleep_is_never_early(runtime: Runtime) -> None:
    """Not even where timers and clocks count in whole milliseconds, as libuv's do."""

    async def main() -> list[float]:
        early = []
        for number in range(1, 20):
            seconds = number * 0.00013
            while time.monotonic() * 1000 % 1 < 0.8:
                pass  # until late in a millisecond
            began = time.monotonic()
            await runtime.sleep(seconds)
            early.append(seconds - (time.monotonic() - began))
        return early

    assert 0 >= max(in_time(runtime, main))


@pytest.mark.parametrize("wait", ["checkpoint", "sleep"])
def test_others_have_their_turn(runtime: Runtime, wait: str) -> None:
    """At every checkpoint; a sleep of no seconds is one as well."""

    async def main() -> int:
        turns, over = 0, runtime.event()

        async def end() -> None:
            over.set()

        async with runtime.task_group() as group:
            group.start_soon(end)
            while turns < 1000 and not over.is_set():
                turns += 1
                await (runtime.checkpoint() if wait == "checkpoint" else runtime.sleep(0))
        return turns

    assert 10 > in_time(runtime, main)


def test_waiting_to_read_ends_when_there_is_something(runtime: Runtime, pair: Pair) -> None:
    """Data, the end of input, or what was there already."""
    one, two = pair

    async def main() -> None:
        async def write() -> None:
            two.send(b"x")

        async with runtime.task_group() as group:
            group.start_soon(write)
            await runtime.wait_readable(one.fileno())
        await runtime.wait_readable(one.fileno())
        assert b"x" == one.recv(10)
        two.shutdown(socket.SHUT_WR)
        await runtime.wait_readable(one.fileno())
        assert b"" == one.recv(10)

    in_time(runtime, main)


def test_a_cancelled_wait_leaves_nothing_registered(runtime: Runtime) -> None:
    """The descriptor may be closed, and its number come back as another's."""

    async def main() -> None:
        numbers = set()
        for _ in range(3):
            one, two = socket.socketpair()
            with one, two:
                numbers.add(one.fileno())
                wait = functools.partial(runtime.wait_readable, one.fileno())
                assert not await runtime.within(0.002, wait)
                two.send(b"x")
                await runtime.checkpoint()
                await wait()
        assert 1 == len(numbers)

    in_time(runtime, main)


def test_an_event_wakes_everybody_who_waits(runtime: Runtime) -> None:
    """And does not hold up who comes later."""

    async def main() -> list[int]:
        event, woken = runtime.event(), []

        async def wait(number: int) -> None:
            await event.wait()
            woken.append(number)

        async with runtime.task_group() as group:
            for number in range(3):
                group.start_soon(wait, number)
            await runtime.sleep(0.001)
            assert not event.is_set()
            assert [] == woken
            event.set()
            event.set()
            assert event.is_set()
        await event.wait()
        return woken

    assert [0, 1, 2] == sorted(in_time(runtime, main))


def test_a_lock_is_handed_over_in_the_order_of_asking(runtime: Runtime) -> None:
    """To one at a time; who asks again goes to the end; who is cancelled is passed over."""

    async def main() -> list[int]:
        lock, turns, holders = runtime.lock(), [], 0

        async def work(number: int, asked: Event) -> None:
            nonlocal holders
            for _ in range(3):
                asked.set()
                async with lock:
                    holders += 1
                    assert 1 == holders
                    turns.append(number)
                    await runtime.checkpoint()
                    holders -= 1

        async def give_up(asked: Event) -> None:
            asked.set()
            async with lock:
                turns.append(-1)

        ends: list[Cancel] = []
        async with runtime.task_group() as group, lock:
            for number in range(3):
                asked = runtime.event()
                group.start_soon(work, number, asked)
                await asked.wait()
                asked = runtime.event()
                ends.append(group.start_soon(give_up, asked))
                await asked.wait()
            for _ in range(5):
                await runtime.checkpoint()
            for end in ends:
                end()
            await runtime.checkpoint()
        return turns

    assert [0, 1, 2] * 3 == in_time(runtime, main)


def test_signals_come_one_by_one(runtime: Runtime) -> None:
    """While they are listened to; then all is as it was."""
    numbers = (signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.getsignal(number) for number in numbers]

    async def main() -> list[int]:
        received = []
        with runtime.signals(*numbers) as signals:
            for number in (signal.SIGUSR2, signal.SIGUSR1):
                os.kill(os.getpid(), number)
                received.append(await anext(signals))
        return received

    assert [signal.SIGUSR2, signal.SIGUSR1] == in_time(runtime, main)
    assert before == [signal.getsignal(number) for number in numbers]


def test_waiting_for_a_signal_can_be_cancelled(runtime: Runtime) -> None:
    """As every wait."""

    async def main() -> bool:
        with runtime.signals(signal.SIGUSR1) as signals:
            return await runtime.within(BRIEFLY, signals.__anext__)

    assert not in_time(runtime, main)


def test_a_lost_connection_is_not_waited_for_for_ever(runtime: Runtime) -> None:
    """A reset counts as readable."""
    with tcp_pair() as (client, server):
        reset(client)
        in_time(runtime, functools.partial(runtime.wait_readable, server.fileno()))
