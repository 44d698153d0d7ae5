"""Cancel scopes and task groups of asyncio: made by hand, so looked at more closely."""

import asyncio
from collections.abc import Callable

import pytest

from dumb_async.runtimes import CancelScope, load

ASYNCIO = load("asyncio")


async def forever() -> None:
    """Until cancelled."""
    await asyncio.Event().wait()


@pytest.mark.asyncio
async def test_foreign_cancellation_is_not_swallowed() -> None:
    """It ends the task, through every scope."""
    scopes = []

    async def work() -> None:
        with ASYNCIO.cancel_scope(60) as outer, ASYNCIO.cancel_scope() as inner:
            scopes.extend([outer, inner])
            await forever()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [False, False] == [scope.cancelled_caught for scope in scopes]


@pytest.mark.parametrize("order", ["foreign first", "scope first"])
@pytest.mark.asyncio
async def test_foreign_cancellation_is_stronger_than_the_scopes_own(order: str) -> None:
    """When both come in the same turn of the loop, the task ends."""
    scopes: list[CancelScope] = []

    async def work() -> None:
        with ASYNCIO.cancel_scope() as scope:
            scopes.append(scope)
            await forever()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    steps: list[Callable[[], object]] = [task.cancel, scopes[0].cancel]
    for step in steps if order == "foreign first" else reversed(steps):
        step()
    with pytest.raises(asyncio.CancelledError):
        await task


async def out_of_time() -> None:
    """A scope of ours in a timeout of asyncio that is shorter."""
    async with asyncio.timeout(0.001):
        with ASYNCIO.cancel_scope(60):
            await forever()


@pytest.mark.asyncio
async def test_scopes_keep_the_count_of_cancellations() -> None:
    """As `asyncio.timeout` around them relies on."""
    task = asyncio.current_task()
    assert task is not None
    with ASYNCIO.cancel_scope(0):
        await forever()
    with ASYNCIO.cancel_scope() as scope:
        scope.cancel()
        scope.cancel()
        await forever()
    assert 0 == task.cancelling()
    with pytest.raises(TimeoutError):
        await out_of_time()
    assert 0 == task.cancelling()


@pytest.mark.asyncio
async def test_scopes_end_inside_a_timeout_of_asyncio() -> None:
    """Each by its own."""
    async with asyncio.timeout(60) as timeout:
        with ASYNCIO.cancel_scope(0.001) as scope:
            await forever()
    assert scope.cancelled_caught
    assert not timeout.expired()


@pytest.mark.asyncio
async def test_scope_in_a_task_that_was_cancelled_before() -> None:
    """And went on regardless: the scope minds its own cancellation only."""
    caught = []

    async def work() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            with ASYNCIO.cancel_scope(0) as scope:
                await forever()
            caught.append(scope.cancelled_caught)
            raise

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [True] == caught


@pytest.mark.asyncio
async def test_group_cancelled_while_a_task_fails() -> None:
    """The failure comes out."""

    async def fail() -> None:
        raise LookupError

    async def work() -> None:
        async with ASYNCIO.task_group() as group:
            group.start_soon(fail)
            await asyncio.sleep(0)
            group.cancel()
            await forever()

    with pytest.raises(ExceptionGroup) as caught:
        await work()
    assert caught.group_contains(LookupError)
    await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_group_in_a_task_that_is_cancelled() -> None:
    """Its tasks end first, then the task."""
    said = []

    async def child() -> None:
        try:
            await forever()
        finally:
            said.append("child")

    async def work() -> None:
        try:
            async with ASYNCIO.task_group() as group:
                group.start_soon(child)
        finally:
            said.append("task")

    task = asyncio.create_task(work())
    await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["child", "task"] == said


def test_scopes_live_in_tasks() -> None:
    """In a callback there is nothing that could be cancelled."""
    errors = []

    def callback() -> None:
        try:
            with ASYNCIO.cancel_scope():
                pass
        except RuntimeError as error:
            errors.append(error)

    async def main() -> None:
        asyncio.get_running_loop().call_soon(callback)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert 1 == len(errors)
