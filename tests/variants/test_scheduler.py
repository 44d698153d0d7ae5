"""The scheduler by itself: coroutines that wait for a descriptor, a time, a turn, or nothing."""

import socket
from collections.abc import Awaitable, Callable

import pytest

from variants.common.schedule import LONGEST_WAIT
from variants.common.scheduler import Scheduler, readable, sleep, turn, writable
from variants.common.state import State

from ..support import drain, fill, reset

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def scheduler(now: list[float]) -> Scheduler:
    """A scheduler at 1000 on the clock, whose epoll waits for nobody: time stands still."""
    assert now
    return Scheduler()


def test_a_task_runs_at_once_up_to_where_it_waits(scheduler: Scheduler) -> None:
    """One that waits for nothing has ended by then."""
    said = []

    async def say(word: str) -> None:
        said.append(word)

    task = scheduler.spawn(say("hello"))
    assert ["hello"] == said
    assert State.CLOSED is task.state


def test_turns_go_round(scheduler: Scheduler) -> None:
    """Each task goes on to where it waits next, and then somebody else does."""
    said = []

    async def count(name: str) -> None:
        for number in range(3):
            said.append(f"{name}{number}")
            await turn()

    for name in "ab":
        scheduler.spawn(count(name))
    expected = ["a0", "b0", "a1", "b1", "a2", "b2"]
    for length in range(2, 7):
        assert expected[:length] == said
        scheduler.run_once()


def test_sleepers_wake_in_the_order_of_their_times(scheduler: Scheduler, now: list[float]) -> None:
    """None before its own."""
    woken = []

    async def doze(seconds: float) -> None:
        await sleep(seconds)
        woken.append(seconds)

    for seconds in (3, 1, 0):
        scheduler.spawn(doze(seconds))
    scheduler.run_once()
    assert [0] == woken
    assert 1 == scheduler.schedule.timeout()
    now[0] += 5
    scheduler.run_once()
    assert [0, 1, 3] == woken
    assert LONGEST_WAIT == scheduler.schedule.timeout()


def test_who_waits_for_a_descriptor_goes_on_when_it_is_ready(
    scheduler: Scheduler, pair: Pair
) -> None:
    """And is forgotten at its end."""
    read = []

    async def receive() -> None:
        for _ in range(2):
            await readable()
            read.append(pair[1].recv(100))

    task = scheduler.spawn(receive(), pair[1].fileno())
    for word in (b"one", b"two"):
        assert State.CLOSED is not task.state
        pair[0].send(word)
        scheduler.run_once()
    assert [b"one", b"two"] == read
    assert (State.CLOSED, {}) == (task.state, scheduler._tasks)


def test_who_waits_to_write_goes_on_when_there_is_room(scheduler: Scheduler, pair: Pair) -> None:
    """And is not told of what it may read."""
    client, server = pair
    written = []

    async def write() -> None:
        await writable()
        written.append(server.send(b"x"))

    async def rest() -> None:
        await turn()

    fill(server)
    scheduler.spawn(write(), server.fileno())
    client.send(b"something to read")
    scheduler.spawn(rest())
    scheduler.run_once()
    assert [] == written
    while not written:
        drain(client)
        scheduler.spawn(rest())
        scheduler.run_once()
    assert [1] == written


@pytest.mark.parametrize("comes", [True, False])
def test_to_read_may_have_its_time(
    scheduler: Scheduler, now: list[float], pair: Pair, comes: bool
) -> None:
    """Whichever is first, the other is forgotten."""
    woken = []

    async def receive() -> None:
        await readable(5)
        woken.append("here")
        await readable()
        woken.append("again")

    scheduler.spawn(receive(), pair[1].fileno())
    assert 5 == scheduler.schedule.timeout()
    if comes:
        pair[0].send(b"hello")
        scheduler.run_once()
        pair[1].recv(100)
    now[0] += 5
    scheduler.schedule.run_due()
    assert ["here"] == woken
    assert LONGEST_WAIT == scheduler.schedule.timeout()
    now[0] += 5
    scheduler.schedule.run_due()
    assert ["here"] == woken
    pair[0].send(b"hello")
    scheduler.run_once()
    assert ["here", "again"] == woken


@pytest.mark.parametrize("wait", [lambda: sleep(3600), turn], ids=["time", "turn"])
def test_who_waits_for_something_else_hears_of_a_reset(
    scheduler: Scheduler, now: list[float], pair: Pair, wait: Callable[[], Awaitable[None]]
) -> None:
    """Where it stands: it goes on from there, and is not resumed once it has ended."""
    said = []

    async def wait_for_it() -> None:
        try:
            await wait()
        except ConnectionResetError:
            said.append("reset")
        said.append("over")

    task = scheduler.spawn(wait_for_it(), pair[1].fileno())
    reset(pair[0])
    scheduler.run_once()
    assert ["reset", "over"] == said
    assert (State.CLOSED, {}) == (task.state, scheduler._tasks)
    now[0] += 3600
    scheduler.schedule.run_due()  # to send to a coroutine that has ended would be an error
    assert LONGEST_WAIT == scheduler.schedule.timeout()


def test_who_has_heard_of_a_reset_has_its_time_no_more(
    scheduler: Scheduler, now: list[float], pair: Pair
) -> None:
    """What it waits for then is another thing."""
    said = []

    async def doze() -> None:
        try:
            await sleep(5)
        except ConnectionResetError:
            await sleep(10)
            said.append("over")

    scheduler.spawn(doze(), pair[1].fileno())
    scheduler.step(scheduler._tasks[pair[1].fileno()], ConnectionResetError())
    for expected in ([], ["over"]):
        now[0] += 5
        scheduler.schedule.run_due()
        assert expected == said


def test_who_waits_for_something_else_is_not_told_of_data(scheduler: Scheduler, pair: Pair) -> None:
    """Nor of the client's end."""
    said = []

    async def doze() -> None:
        await readable()
        said.append("reads")
        await sleep(1)
        said.append("woken")

    scheduler.spawn(doze(), pair[1].fileno())
    pair[0].send(b"hello")
    scheduler.run_once()
    pair[0].send(b"more")
    pair[0].shutdown(socket.SHUT_WR)
    scheduler.spawn(turn_once())
    scheduler.run_once()
    assert ["reads"] == said


async def turn_once() -> None:
    """Wait for a turn: the next run of the scheduler waits for nobody."""
    await turn()


def test_who_ends_in_the_same_turn_is_not_gone_on_with(scheduler: Scheduler) -> None:
    """Though epoll has said that it is ready: another has closed it meanwhile."""
    (one, two), (three, four) = socket.socketpair(), socket.socketpair()
    said = []

    async def end(name: str, other: int) -> None:
        await readable()
        said.append(name)
        scheduler._forget(scheduler._tasks[other])

    with one, two, three, four:
        scheduler.spawn(end("a", four.fileno()), two.fileno())
        scheduler.spawn(end("b", two.fileno()), four.fileno())
        one.send(b"x")
        three.send(b"x")
        scheduler.run_once()
    assert 1 == len(said)


def test_an_error_of_a_task_is_the_loops(scheduler: Scheduler) -> None:
    """The handler of a client lets none out; nothing hides one of a task of ours."""

    async def fail() -> None:
        await turn()
        raise ZeroDivisionError

    scheduler.spawn(fail())
    with pytest.raises(ZeroDivisionError):
        scheduler.run_once()


def test_awaits_go_down_and_up(scheduler: Scheduler) -> None:
    """What is awaited may itself await, and return: only the lowest yields."""
    said = []

    async def lowest() -> int:
        await turn()
        return 1

    async def middle() -> int:
        return await lowest() + await lowest()

    async def highest() -> None:
        said.append(await middle())

    task = scheduler.spawn(highest())
    for _ in range(2):
        assert State.CLOSED is not task.state
        scheduler.run_once()
    assert [2] == said


def test_who_cannot_be_watched_is_no_task(scheduler: Scheduler) -> None:
    """It has not begun."""
    coroutine = turn_once()
    with pytest.raises(OSError, match="Bad file descriptor"):
        scheduler.spawn(coroutine, 1_000_000)
    assert {} == scheduler._tasks
    coroutine.close()
