"""PING, WAIT, BURN and STREAM: what they really do."""

import itertools
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumb_async import NEED_DATA, Close, Compute, Config, Connection, Send, Sleep, dumb_service
from dumb_async import commands as module
from dumb_async.commands import BURN_AT_ONCE, BURN_SLICE, STREAM_AT_ONCE, STREAM_CHUNK
from dumb_async.protocol import Action

from .protocol.driver import Step, converse

SERVICE = dumb_service()

AROUND_EVERY_BORDER = sorted(
    {0, 1, 2, 300}
    | {
        border + near
        for border in (BURN_AT_ONCE, BURN_SLICE, 3 * BURN_SLICE)
        for near in (-1, 0, 1)
    }
)


def actions_of(line: bytes) -> list[Action]:
    """What one request makes a driver do."""
    connection = Connection(Config(SERVICE), dict.fromkeys(SERVICE.labels, 0))
    connection.receive_data(line)
    actions: list[Action] = []
    while (action := connection.next_action()) is not NEED_DATA:
        actions.append(action)
        if isinstance(action, Compute):
            connection.compute(action)
    return actions


@pytest.mark.parametrize("count", AROUND_EVERY_BORDER)
def test_burn_adds_up(count: int) -> None:
    """Its result is what the closed form gives, around every border between slices."""
    assert (
        b"RESULT %d\n" % (count * (count + 1) // 2) == converse(SERVICE, b"BURN %d\n" % count).sent
    )


@pytest.mark.parametrize("count", AROUND_EVERY_BORDER)
def test_burn_really_iterates(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over every number from 1 on, in order, and once."""
    seen: list[int] = []

    def note(numbers: Iterable[int]) -> Iterator[int]:
        for number in numbers:
            seen.append(number)
            yield number

    def spy(*arguments: int) -> Iterable[int]:
        numbers = range(*arguments)
        return numbers if len(arguments) == 3 else note(numbers)  # three: the slices

    monkeypatch.setattr(module, "range", spy, raising=False)
    converse(SERVICE, b"BURN %d\n" % count)
    assert list(range(1, count + 1)) == seen


@pytest.mark.parametrize(
    "count", [BURN_AT_ONCE + 1, BURN_SLICE, BURN_SLICE + 1, 5 * BURN_SLICE + 7]
)
def test_burn_is_done_in_short_slices(count: int) -> None:
    """They cover 1 to n without a gap, and none takes more than half a millisecond or so."""
    assert BURN_SLICE <= 40_000
    *slices, _ = actions_of(b"BURN %d\n" % count)
    borders = [one.arguments for one in slices if isinstance(one, Compute)]
    assert len(slices) == len(borders)
    assert (1, count + 1) == (borders[0][0], borders[-1][1])
    assert all(one[1] == two[0] for one, two in itertools.pairwise(borders))
    assert all(0 < stop - start <= BURN_SLICE for start, stop in borders)


def test_a_long_burn_costs_nothing_before_its_first_slice() -> None:
    """Nor does it hold more than one slice at a time."""
    connection = Connection(Config(SERVICE), dict.fromkeys(SERVICE.labels, 0))
    connection.receive_data(b"BURN 1000000000000\n")
    for number in range(3):
        action = connection.next_action()
        assert isinstance(action, Compute)
        start = 1 + number * BURN_SLICE
        assert (start, start + BURN_SLICE) == action.arguments
        connection.compute(action)


def test_a_short_burn_is_answered_at_once() -> None:
    """It takes less than a turn."""
    assert [Send(b"RESULT 500500\n")] == actions_of(b"BURN %d\n" % BURN_AT_ONCE)


@pytest.mark.parametrize(
    "size",
    [0, 1, 5, STREAM_AT_ONCE, STREAM_AT_ONCE + 1, STREAM_CHUNK - 1, STREAM_CHUNK, STREAM_CHUNK + 1,
     3 * STREAM_CHUNK],
)  # fmt: skip
def test_stream_sends_exactly_as_much(size: int) -> None:
    """And DONE, with no newline in between."""
    assert (b"A" * size + b"DONE\n" == converse(SERVICE, b"STREAM %d\n" % size).sent) is True


def test_a_long_stream_is_made_on_demand() -> None:
    """Nobody who does not read it costs more than one chunk."""
    connection = Connection(Config(SERVICE), dict.fromkeys(SERVICE.labels, 0))
    connection.receive_data(b"STREAM 1000000000000\n")
    chunks = [connection.next_action() for _ in range(50)]
    assert all(isinstance(chunk, Send) and len(chunk.data) == STREAM_CHUNK for chunk in chunks)
    assert 1 == len({id(chunk) for chunk in chunks})


@given(st.decimals(0, 86_400, places=4))
def test_wait_waits_for_seconds(seconds: object) -> None:
    """As they were written."""
    steps = converse(SERVICE, b"WAIT %s\n" % str(seconds).encode()).steps
    assert [Sleep(float(str(seconds))), b"DONE\n", Close()] == steps


@pytest.mark.parametrize(
    ("text", "seconds"), [(b"0", 0.0), (b"1500", 1.5), (b"0.5", 0.0005), (b"86400000", 86_400.0)]
)
def test_wait_can_count_in_milliseconds(text: bytes, seconds: float) -> None:
    """If the service was made so."""
    steps: list[Step] = converse(dumb_service(wait_unit="ms"), b"WAIT %s\n" % text).steps
    slept = steps[0]
    assert isinstance(slept, Sleep)
    assert pytest.approx(seconds) == slept.seconds


def test_a_limit_in_seconds_can_be_reached_in_milliseconds() -> None:
    """Whatever the fractions of a float are."""
    for limit in range(1, 2000):
        service = dumb_service(wait_unit="ms", limit_wait=limit / 1000)
        assert b"DONE\n" == converse(service, b"WAIT %d\n" % limit).sent, limit
