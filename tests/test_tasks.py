"""Bounds on time and groups of tasks: the same on every runtime."""

import functools

import pytest

from dumb_async.runtimes import Runtime

from .support import BRIEFLY, in_time


async def forever(runtime: Runtime) -> None:
    """Until cancelled."""
    await runtime.event().wait()


@pytest.mark.parametrize("seconds", [0, BRIEFLY])
def test_what_takes_too_long_is_cancelled(runtime: Runtime, seconds: float) -> None:
    """At its wait, and without an exception; no time at all is a time, too."""

    async def main() -> tuple[bool, list[str]]:
        said: list[str] = []

        async def wait() -> None:
            try:
                await forever(runtime)
                said.append("not here")
            finally:
                said.append("cancelled")

        ended = await runtime.within(seconds, wait)
        await runtime.checkpoint()
        return ended, said

    assert (False, ["cancelled"]) == in_time(runtime, main)


@pytest.mark.parametrize("seconds", [None, 60.0])
def test_what_ends_in_time_ends(runtime: Runtime, seconds: float | None) -> None:
    """And it is told."""

    async def main() -> bool:
        return await runtime.within(seconds, runtime.checkpoint)

    assert in_time(runtime, main)


def test_a_bound_that_is_left_does_nothing_later(runtime: Runtime) -> None:
    """When its time comes: whoever was inside is not cancelled outside."""

    async def main() -> None:
        await runtime.within(0.001, runtime.checkpoint)
        await runtime.sleep(0.003)
        await runtime.checkpoint()

    in_time(runtime, main)


def test_an_inner_bound_does_not_swallow_the_end_of_an_outer_one(runtime: Runtime) -> None:
    """Which ends both."""

    async def main() -> tuple[bool, list[bool]]:
        inner: list[bool] = []

        async def nested() -> None:
            inner.append(await runtime.within(60, functools.partial(forever, runtime)))

        return await runtime.within(BRIEFLY, nested), inner

    assert (False, []) == in_time(runtime, main)


def test_only_the_inner_bound_ends_by_its_own_time(runtime: Runtime) -> None:
    """The outer one goes on."""

    async def main() -> tuple[bool, list[bool]]:
        inner: list[bool] = []

        async def nested() -> None:
            inner.append(await runtime.within(BRIEFLY, functools.partial(forever, runtime)))
            await runtime.checkpoint()

        return await runtime.within(60, nested), inner

    assert (True, [False]) == in_time(runtime, main)


@pytest.mark.parametrize("error", [LookupError, TimeoutError, OSError])
def test_exceptions_pass_through_a_bound(runtime: Runtime, error: type[Exception]) -> None:
    """Also those that look like its own."""

    async def fail() -> None:
        await runtime.checkpoint()
        raise error

    async def main() -> None:
        for seconds in (None, 60.0):
            with pytest.raises(error):
                await runtime.within(seconds, fail)

    in_time(runtime, main)


def test_an_exception_that_comes_of_a_cancellation_comes_out(runtime: Runtime) -> None:
    """Rather than to be taken for the end of the time."""

    async def fail() -> None:
        try:
            await forever(runtime)
        finally:
            raise LookupError

    async def main() -> None:
        with pytest.raises(LookupError):
            await runtime.within(BRIEFLY, fail)

    in_time(runtime, main)


def test_a_group_is_left_when_all_its_tasks_are_through(runtime: Runtime) -> None:
    """Those that its tasks have started included; arguments are handed over."""

    async def main() -> list[int]:
        done: list[int] = []

        async def work(number: int, children: int) -> None:
            for child in range(children):
                group.start_soon(work, number * 10 + child, 0)
            await runtime.sleep(0.001)
            done.append(number)

        async with runtime.task_group() as group:
            group.start_soon(work, 1, 2)
            group.start_soon(work, 2, 0)
        return done

    assert [1, 2, 10, 11] == sorted(in_time(runtime, main))


def test_a_task_can_be_cancelled(runtime: Runtime) -> None:
    """By itself: the others of its group go on; twice does no more than once."""

    async def main() -> list[str]:
        said: list[str] = []
        go_on = runtime.event()

        async def wait() -> None:
            try:
                await forever(runtime)
            finally:
                said.append("cancelled")

        async def other() -> None:
            await go_on.wait()
            said.append("other")

        async with runtime.task_group() as group:
            end = group.start_soon(wait)
            group.start_soon(other)
            for _ in range(3):
                await runtime.checkpoint()
            end()
            end()
            said.append("told")
            for _ in range(3):
                await runtime.checkpoint()
            go_on.set()
        end()  # it is through: nothing happens
        return said

    assert ["told", "cancelled", "other"] == in_time(runtime, main)


def test_a_task_can_be_cancelled_before_it_begins(runtime: Runtime) -> None:
    """Then it does not wait for anything."""

    async def main() -> None:
        async with runtime.task_group() as group:
            group.start_soon(forever, runtime)()

    in_time(runtime, main)


def test_a_task_can_be_cancelled_by_another(runtime: Runtime) -> None:
    """Also while the body of the group has come to its end and waits for them."""

    async def main() -> None:
        async def end_it() -> None:
            await runtime.checkpoint()
            end()

        async with runtime.task_group() as group:
            end = group.start_soon(runtime.sleep, 3600)
            group.start_soon(end_it)

    in_time(runtime, main)


def test_a_task_that_fails_ends_its_group(runtime: Runtime) -> None:
    """The others are cancelled, and the error comes out, in a group."""
    said: list[str] = []

    async def main() -> None:
        async def fail() -> None:
            await runtime.checkpoint()
            raise LookupError

        async def wait() -> None:
            try:
                await forever(runtime)
            finally:
                said.append("cancelled")

        async with runtime.task_group() as group:
            group.start_soon(wait)
            group.start_soon(fail)

    with pytest.raises(ExceptionGroup) as caught:
        runtime.run(main)
    assert caught.group_contains(LookupError)
    assert ["cancelled"] == said


def test_a_group_in_a_task_that_is_cancelled(runtime: Runtime) -> None:
    """Its tasks end first, then the task."""
    said: list[str] = []

    async def child() -> None:
        try:
            await forever(runtime)
        finally:
            said.append("child")

    async def parent() -> None:
        try:
            async with runtime.task_group() as group:
                group.start_soon(child)
        finally:
            said.append("parent")

    async def main() -> None:
        async with runtime.task_group() as group:
            end = group.start_soon(parent)
            for _ in range(5):
                await runtime.checkpoint()
            end()

    in_time(runtime, main)
    assert ["child", "parent"] == said
