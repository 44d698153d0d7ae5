"""Cancel scopes and task groups: the same on every runtime."""

from collections.abc import Callable

import pytest

from dumb_async.runtimes import CancelScope, Runtime

from .support import BRIEFLY, in_time


def test_a_scope_ends_after_its_timeout(runtime: Runtime) -> None:
    """Without an exception, and it says so."""

    async def main() -> tuple[bool, bool]:
        after = False
        with runtime.cancel_scope(BRIEFLY) as scope:
            await runtime.event().wait()
            after = True
        await runtime.checkpoint()
        return scope.cancelled_caught, after

    assert (True, False) == in_time(runtime, main)


@pytest.mark.parametrize("timeout", [None, 0.001, 60.0])
def test_a_scope_that_is_left_in_time_does_nothing(runtime: Runtime, timeout: float | None) -> None:
    """Not even later, when its time would have come."""

    async def main() -> bool:
        with runtime.cancel_scope(timeout) as scope:
            pass
        await runtime.sleep(0.003)
        scope.cancel()
        await runtime.checkpoint()
        return scope.cancelled_caught

    assert not in_time(runtime, main)


def test_a_scope_without_time_ends_at_its_first_wait(runtime: Runtime) -> None:
    """A timeout of zero is one."""

    async def main() -> bool:
        with runtime.cancel_scope(0) as scope:
            await runtime.event().wait()
        return scope.cancelled_caught

    assert in_time(runtime, main)


def test_a_scope_can_be_cancelled_by_another_task(runtime: Runtime) -> None:
    """Twice does no more than once; what else the group does goes on."""

    async def main() -> list[str]:
        ready = runtime.event()
        scopes: list[CancelScope] = []
        said = []

        async def wait() -> None:
            with runtime.cancel_scope() as scope:
                scopes.append(scope)
                ready.set()
                await runtime.event().wait()
            said.append("cancelled")
            await runtime.checkpoint()
            said.append("goes on")

        async with runtime.task_group() as group:
            group.start_soon(wait)
            await ready.wait()
            scopes[0].cancel()
            scopes[0].cancel()
            said.append("told")
        return said

    assert ["told", "cancelled", "goes on"] == in_time(runtime, main)


def test_a_scope_cancelled_from_inside_ends_at_the_next_wait(runtime: Runtime) -> None:
    """And not before."""

    async def main() -> list[str]:
        said = []
        with runtime.cancel_scope() as scope:
            scope.cancel()
            said.append("still here")
            await runtime.event().wait()
            said.append("not here")
        await runtime.checkpoint()
        assert scope.cancelled_caught
        return said

    assert ["still here"] == in_time(runtime, main)


@pytest.mark.parametrize("kind", ["scope", "group"])
def test_what_is_cancelled_without_another_wait_leaves_nothing_behind(
    runtime: Runtime, kind: str
) -> None:
    """The next wait is outside of it."""

    async def main() -> str:
        if kind == "scope":
            with runtime.cancel_scope() as scope:
                scope.cancel()
        else:
            async with runtime.task_group() as group:
                group.cancel()
        await runtime.checkpoint()
        return "fine"

    assert "fine" == in_time(runtime, main)


def test_an_inner_scope_does_not_swallow_the_cancellation_of_an_outer_one(
    runtime: Runtime,
) -> None:
    """Which ends both."""

    async def main() -> tuple[list[str], bool, bool]:
        said: list[str] = []
        with runtime.cancel_scope(BRIEFLY) as outer:
            with runtime.cancel_scope(60) as inner:
                await runtime.event().wait()
            said.append("between")
        return said, outer.cancelled_caught, inner.cancelled_caught

    assert ([], True, False) == in_time(runtime, main)


@pytest.mark.parametrize("order", ["inner first", "outer first"])
def test_both_scopes_cancelled_end_at_the_outer_one(runtime: Runtime, order: str) -> None:
    """In whatever order, with no checkpoint between the two."""

    async def main() -> tuple[list[str], bool]:
        said: list[str] = []
        with runtime.cancel_scope() as outer:
            with runtime.cancel_scope() as inner:
                for scope in (inner, outer) if order == "inner first" else (outer, inner):
                    scope.cancel()
                await runtime.event().wait()
            said.append("between")
            await runtime.checkpoint()
            said.append("not cancelled")
        await runtime.checkpoint()
        return said[1:], outer.cancelled_caught

    assert ([], True) == in_time(runtime, main)


def test_only_the_inner_scope_ends_by_its_own_timeout(runtime: Runtime) -> None:
    """The outer one goes on."""

    async def main() -> tuple[bool, bool]:
        with runtime.cancel_scope(60) as outer:
            with runtime.cancel_scope(BRIEFLY) as inner:
                await runtime.event().wait()
            await runtime.checkpoint()
        return outer.cancelled_caught, inner.cancelled_caught

    assert (False, True) == in_time(runtime, main)


def test_exceptions_pass_through_a_scope(runtime: Runtime) -> None:
    """Even if they come of its cancellation."""

    async def fail_after(step: Callable[[], object]) -> None:
        step()
        try:
            await runtime.sleep(BRIEFLY)
        finally:
            raise LookupError

    async def main() -> list[bool]:
        caught = []
        for cancelled in (False, True):
            with pytest.raises(LookupError), runtime.cancel_scope() as scope:
                await fail_after(scope.cancel if cancelled else lambda: None)
            caught.append(scope.cancelled_caught)
        await runtime.checkpoint()
        return caught

    assert [False, False] == in_time(runtime, main)


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


def test_a_group_can_be_cancelled_as_one(runtime: Runtime) -> None:
    """Its tasks, its body, and no one else; there is no exception."""

    async def main() -> list[str]:
        said = []

        async def wait() -> None:
            try:
                await runtime.event().wait()
            finally:
                said.append("task")

        async with runtime.task_group() as outer:
            outer.start_soon(runtime.checkpoint)
            async with runtime.task_group() as group:
                group.start_soon(wait)
                group.start_soon(wait)
                await runtime.sleep(0.001)
                group.cancel()
                await runtime.event().wait()
                said.append("not here")
            await runtime.checkpoint()
            said.append("after")
        return said

    assert ["task", "task", "after"] == in_time(runtime, main)


def test_a_group_can_be_cancelled_by_one_of_its_tasks(runtime: Runtime) -> None:
    """Also while its body has come to its end and waits for them."""

    async def main() -> None:
        async def cancel() -> None:
            group.cancel()

        async with runtime.task_group() as group:
            group.start_soon(runtime.sleep, 60)
            group.start_soon(cancel)

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
                await runtime.event().wait()
            finally:
                said.append("cancelled")

        async with runtime.task_group() as group:
            group.start_soon(wait)
            group.start_soon(fail)

    with pytest.raises(ExceptionGroup) as caught:
        runtime.run(main)
    assert caught.group_contains(LookupError)
    assert ["cancelled"] == said
