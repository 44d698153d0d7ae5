"""Clients that sleep: woken in time, in order, a batch at a time, or not at all."""

from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from dumb_async.alarm import Alarm
from dumb_async.hosting import sleepers as module
from dumb_async.hosting.sleepers import BATCH, SWEEP, Sleepers
from dumb_async.runtimes import load

from .conftest import RunInNoTime


class Client:
    """As much of a session as its sleep needs."""

    def __init__(self, name: object = "") -> None:
        self.name = name
        self.nap: Any = None


@pytest.fixture
def woken() -> list[Any]:
    """Who was woken, in order."""
    return []


@pytest.fixture
def sleepers(woken: list[Any], monkeypatch: pytest.MonkeyPatch) -> Sleepers[Client]:
    """A dormitory at time 0."""
    monkeypatch.setattr(module, "monotonic", lambda: 0.0)
    return Sleepers(woken.append)


def put(sleepers: Sleepers[Client], seconds: float, name: object = "") -> Client:
    """Put a new client to sleep."""
    client = Client(name)
    sleepers.add(client, seconds)
    return client


def test_nobody_is_woken_early(sleepers: Sleepers[Client], woken: list[Any]) -> None:
    """Nor twice."""
    client = put(sleepers, 2.0)
    assert not sleepers.run_due(1.999)
    assert [] == woken
    assert not sleepers.run_due(2.0)
    assert [client] == woken
    assert client.nap is None
    assert not sleepers.run_due(1e9)
    assert [client] == woken


def test_who_is_due_first_is_woken_first(sleepers: Sleepers[Client], woken: list[Any]) -> None:
    """And who lay down first, among those who are due together."""
    clients = [put(sleepers, seconds) for seconds in (3.0, 1.0, 2.0, 1.0, 3.0)]
    sleepers.run_due(10.0)
    assert [clients[at] for at in (1, 3, 2, 0, 4)] == woken


def test_who_is_discarded_sleeps_on(sleepers: Sleepers[Client], woken: list[Any]) -> None:
    """Discarding twice, or somebody who does not sleep, does nothing."""
    one, two = put(sleepers, 1.0), put(sleepers, 1.0)
    sleepers.discard(one)
    sleepers.discard(one)
    sleepers.discard(Client())
    assert one.nap is None
    sleepers.run_due(10.0)
    assert [two] == woken


def test_who_is_woken_may_lie_down_again(sleepers: Sleepers[Client], woken: list[Any]) -> None:
    """As a client that pipelines WAITs does."""
    client = put(sleepers, 1.0)
    sleepers.run_due(1.0)
    sleepers.add(client, 2.0)
    assert not sleepers.run_due(1.5)
    sleepers.run_due(2.0)
    assert [client, client] == woken


def test_many_are_woken_in_batches(sleepers: Sleepers[Client], woken: list[Any]) -> None:
    """So that others have their turn in between; whether more are due is told."""
    for _ in range(2 * BATCH + 1):
        put(sleepers, 1.0)
    sizes = []
    while sleepers.run_due(1.0):
        sizes.append(len(woken))
    assert [BATCH, 2 * BATCH] == sizes
    assert 2 * BATCH + 1 == len(woken)


def test_naps_that_were_broken_off_do_not_pile_up(
    sleepers: Sleepers[Client], woken: list[Any]
) -> None:
    """Clients that come, WAIT for a day and leave, again and again."""
    stays = put(sleepers, 86_400.0)
    for _ in range(10_000):
        sleepers.discard(put(sleepers, 86_400.0))
    assert 2 * SWEEP + 10 > len(sleepers._heap)
    sleepers.run_due(86_400.0)
    assert [stays] == woken


def test_who_went_is_not_counted_after_its_time(
    sleepers: Sleepers[Client], woken: list[Any]
) -> None:
    """Or the heap would be swept for nothing, at every departure."""
    for _ in range(5 * SWEEP):
        sleepers.discard(put(sleepers, 1.0))
        sleepers.run_due(1.0)
    assert 0 == sleepers._broken
    assert [] == sleepers._heap
    assert [] == woken


@given(
    st.lists(st.tuples(st.sampled_from(["add", "discard", "wake"]), st.integers(0, 9)), max_size=60)
)
def test_each_is_woken_once_in_its_time(steps: list[tuple[str, int]]) -> None:
    """A list that is sorted whenever it is asked says the same."""
    woken: list[Any] = []
    expected: list[Any] = []
    beds: list[tuple[float, Any]] = []
    sleepers: Sleepers[Client] = Sleepers(woken.append)
    now = 0.0
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(module, "monotonic", lambda: now)
        for number, (kind, value) in enumerate(steps):
            if kind == "add":
                beds.append((now + value, put(sleepers, value, number)))
            elif kind == "discard" and beds:
                sleepers.discard(beds.pop(value % len(beds))[1])
            else:
                now += value
                while sleepers.run_due(now):
                    pass
                beds.sort(key=lambda bed: bed[0])
                expected += [client for due, client in beds if due <= now]
                beds = [bed for bed in beds if bed[0] > now]
    assert expected == woken


def test_running_wakes_in_time(run_in_no_time: RunInNoTime) -> None:
    """To the instant on a clock without delays; a shorter nap is not slept through."""
    seen: list[tuple[object, float]] = []

    async def main() -> None:
        start = trio.current_time()
        alarm = Alarm()
        sleepers: Sleepers[Client] = Sleepers(
            lambda client: seen.append((client.name, trio.current_time() - start)), alarm.move
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alarm.keep, load("trio"), sleepers)
            await trio.sleep(1)
            put(sleepers, 3600.0, "an hour")
            put(sleepers, 0.0, "at once")
            await trio.sleep(1)
            put(sleepers, 60.0, "a minute")
            sleepers.discard(put(sleepers, 30.0, "left"))
            for _ in range(3 * BATCH):
                put(sleepers, 100.0, "crowd")
            await trio.sleep(5000)
            nursery.cancel_scope.cancel()

    run_in_no_time(main)
    names = ["at once", "a minute", *["crowd"] * 3 * BATCH, "an hour"]
    assert names == [name for name, _ in seen]
    assert [1.0, 62.0, 3601.0] == pytest.approx([seen[at][1] for at in (0, 1, -1)])
