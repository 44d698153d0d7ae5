"""Bounds on time of asyncio, where a cancellation is an exception that anybody may swallow."""

import asyncio

import pytest

from dumb_async.runtimes import load

ASYNCIO = load("asyncio")


async def forever() -> None:
    """Until cancelled."""
    await asyncio.Event().wait()


@pytest.mark.asyncio
async def test_foreign_cancellation_is_not_swallowed() -> None:
    """It ends the task, through every bound."""
    said: list[bool] = []

    async def bounded() -> None:
        said.append(await ASYNCIO.within(None, forever))

    async def work() -> None:
        said.append(await ASYNCIO.within(60, bounded))

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [] == said


async def out_of_time() -> None:
    """A bound of ours in a timeout of asyncio that is shorter."""
    async with asyncio.timeout(0.001):
        await ASYNCIO.within(60, forever)


@pytest.mark.asyncio
async def test_bounds_keep_the_count_of_cancellations() -> None:
    """As `asyncio.timeout` around them relies on."""
    task = asyncio.current_task()
    assert task is not None
    assert not await ASYNCIO.within(0, forever)
    assert 0 == task.cancelling()
    with pytest.raises(TimeoutError):
        await out_of_time()
    assert 0 == task.cancelling()


@pytest.mark.asyncio
async def test_bounds_end_inside_a_timeout_of_asyncio() -> None:
    """Each by its own."""
    async with asyncio.timeout(60) as timeout:
        assert not await ASYNCIO.within(0.001, forever)
    assert not timeout.expired()


@pytest.mark.asyncio
async def test_a_bound_in_a_task_that_was_cancelled_before() -> None:
    """And went on regardless: it minds its own time only."""
    ended = []

    async def work() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            ended.append(await ASYNCIO.within(0, forever))
            raise

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [False] == ended


@pytest.mark.asyncio
async def test_a_group_whose_task_is_cancelled_while_another_fails() -> None:
    """The failure comes out."""

    async def fail() -> None:
        raise LookupError

    async def work() -> None:
        async with ASYNCIO.task_group() as group:
            end = group.start_soon(forever)
            group.start_soon(fail)
            await asyncio.sleep(0)
            end()
            await forever()

    with pytest.raises(ExceptionGroup) as caught:
        await work()
    assert caught.group_contains(LookupError)
