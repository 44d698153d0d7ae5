"""Clients that sleep: woken in time, in order, a batch at a time, or not at all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from variants.common import timers as module
from variants.common.timers import BATCH, SWEEP, TimerQueue


class Client:
    """As much of one as its timer needs."""

    def __init__(self, name: object = "") -> None:
        self.name = name
        self.timer: Any = None


@pytest.fixture
def woken() -> list[Any]:
    """Who was woken, in order."""
    return []


@pytest.fixture
def timers(woken: list[Any], monkeypatch: pytest.MonkeyPatch) -> TimerQueue[Client]:
    """A queue at time 0."""
    monkeypatch.setattr(module, "monotonic", lambda: 0.0)
    return TimerQueue(woken.append)


def put(timers: TimerQueue[Client], seconds: float, name: object = "") -> Client:
    """Put a new client to sleep."""
    client = Client(name)
    timers.add(client, seconds)
    return client


def test_nobody_is_woken_early(timers: TimerQueue[Client], woken: list[Any]) -> None:
    """Nor twice."""
    client = put(timers, 2.0)
    assert not timers.run_due(1.999)
    assert [] == woken
    assert not timers.run_due(2.0)
    assert [client] == woken
    assert client.timer is None
    assert not timers.run_due(1e9)
    assert [client] == woken


def test_who_is_due_first_is_woken_first(timers: TimerQueue[Client], woken: list[Any]) -> None:
    """And who lay down first, among those who are due together."""
    clients = [put(timers, seconds) for seconds in (3.0, 1.0, 2.0, 1.0, 3.0)]
    timers.run_due(10.0)
    assert [clients[at] for at in (1, 3, 2, 0, 4)] == woken


def test_who_is_discarded_sleeps_on(timers: TimerQueue[Client], woken: list[Any]) -> None:
    """Discarding twice, or somebody who does not sleep, does nothing."""
    one, two = put(timers, 1.0), put(timers, 1.0)
    timers.discard(one)
    timers.discard(one)
    timers.discard(Client())
    assert one.timer is None
    timers.run_due(10.0)
    assert [two] == woken


def test_who_is_woken_may_lie_down_again(timers: TimerQueue[Client], woken: list[Any]) -> None:
    """As a client that pipelines WAITs does."""
    client = put(timers, 1.0)
    timers.run_due(1.0)
    timers.add(client, 2.0)
    assert not timers.run_due(1.5)
    timers.run_due(2.0)
    assert [client, client] == woken


def test_many_are_woken_in_batches(timers: TimerQueue[Client], woken: list[Any]) -> None:
    """So that others have their turn in between; whether more are due is told."""
    for _ in range(2 * BATCH + 1):
        put(timers, 1.0)
    sizes = []
    while timers.run_due(1.0):
        sizes.append(len(woken))
    assert [BATCH, 2 * BATCH] == sizes
    assert 2 * BATCH + 1 == len(woken)


def test_timers_that_were_cancelled_do_not_pile_up(
    timers: TimerQueue[Client], woken: list[Any]
) -> None:
    """Clients that come, WAIT for a day and leave, again and again."""
    stays = put(timers, 86_400.0)
    for _ in range(10_000):
        timers.discard(put(timers, 86_400.0))
    assert 2 * SWEEP + 10 > len(timers._heap)
    timers.run_due(86_400.0)
    assert [stays] == woken


def test_who_went_is_not_counted_after_its_time(
    timers: TimerQueue[Client], woken: list[Any]
) -> None:
    """Or the heap would be swept for nothing, at every departure."""
    for _ in range(5 * SWEEP):
        timers.discard(put(timers, 1.0))
        timers.run_due(1.0)
    assert 0 == timers._cancelled
    assert [] == timers._heap
    assert [] == woken


@given(
    st.lists(st.tuples(st.sampled_from(["add", "discard", "wake"]), st.integers(0, 9)), max_size=60)
)
def test_each_is_woken_once_in_its_time(steps: list[tuple[str, int]]) -> None:
    """A list that is sorted whenever it is asked says the same."""
    woken: list[Any] = []
    expected: list[Any] = []
    beds: list[tuple[float, Any]] = []
    timers: TimerQueue[Client] = TimerQueue(woken.append)
    now = 0.0
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(module, "monotonic", lambda: now)
        for number, (kind, value) in enumerate(steps):
            if kind == "add":
                beds.append((now + value, put(timers, value, number)))
            elif kind == "discard" and beds:
                timers.discard(beds.pop(value % len(beds))[1])
            else:
                now += value
                while timers.run_due(now):
                    pass
                beds.sort(key=lambda bed: bed[0])
                expected += [client for due, client in beds if due <= now]
                beds = [bed for bed in beds if bed[0] > now]
    assert expected == woken
