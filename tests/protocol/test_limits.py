"""Every limit of the core: lines, turns, memory, work."""

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumb_async import dumb_service
from dumb_async.protocol import Close, Config, Send, Service

from ..support import cpu_time
from .driver import Driver, converse, drive

SERVICE = dumb_service()
TOO_LONG = b"LINE_TOO_LONG\n"

#: Seconds of CPU time, ten times what work that grows with the input needs here, and a
#: fraction of what it would need if it grew with its square.
ENOUGH = 5.0
UNKNOWN = b"UNKNOWN_COMMAND\n"


def chunkings(data: bytes) -> list[list[bytes]]:
    """The data whole, in every two halves, and byte by byte."""
    halves = [[data[:at], data[at:]] for at in range(1, len(data))]
    return [[data], *halves, [data[at : at + 1] for at in range(len(data))]]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("limit", [1, 2, 8])
def test_a_line_of_the_limit_is_answered(limit: int, end: bytes) -> None:
    """Its end does not count, under every chunking."""
    config = Config(SERVICE, limit_line=limit)
    for chunks in chunkings(b"x" * limit + end + b"?\n"):
        assert [UNKNOWN * 2, Close()] == drive(config, chunks).steps


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r", b"\rx", b"\nPING\n", b"xxx\nPING\n"])
@pytest.mark.parametrize("limit", [1, 2, 8])
def test_a_line_over_the_limit_is_the_last(limit: int, end: bytes) -> None:
    """One byte is enough, finished or not, and nothing after it is a command."""
    config = Config(SERVICE, limit_line=limit)
    for chunks in chunkings(b"?\n" + b"x" * (limit + 1) + end):
        driver = drive(config, chunks)
        assert [UNKNOWN + TOO_LONG, Close()] == driver.steps
        assert {"unknown": 1, "too_long": 1} == driver.counts


@pytest.mark.parametrize("end", [b"\r\r\n", b"\r\r", b"\rx", b"\r\0"])
def test_only_one_cr_directly_before_the_end_is_no_part_of_the_line(end: bytes) -> None:
    """Any other counts like the rest."""
    config = Config(SERVICE, limit_line=8)
    for chunks in chunkings(b"x" * 8 + end):
        assert TOO_LONG == drive(config, chunks).sent


def test_a_cr_that_may_be_part_of_the_end_is_waited_for() -> None:
    """Neither too long yet nor answered yet."""
    driver = Driver(Config(SERVICE, limit_line=4)).receive(b"PING\r")
    assert b"" == driver.sent
    assert driver.connection.unfinished
    assert b"PONG\n" == driver.receive(b"\n").sent


def test_a_line_is_refused_as_soon_as_it_is_too_long() -> None:
    """Nobody waits for its end, or for the end of input."""
    driver = Driver(Config(SERVICE, limit_line=4)).receive(b"PING\nPINGP")
    assert [b"PONG\n" + TOO_LONG, Close()] == driver.steps
    assert not driver.connection.unfinished


@given(st.lists(st.binary(), max_size=4))
def test_what_follows_an_overlong_line_is_dropped(after: list[bytes]) -> None:
    """Whatever it is, and however long the driver goes on reading."""
    connection = Driver(Config(SERVICE, limit_line=4)).connection
    connection.receive_data(b"12345")
    for data in after:
        connection.receive_data(data)
    assert Send(TOO_LONG) == connection.next_action()
    for data in after:
        connection.receive_data(data)
        assert Close() == connection.next_action()


def test_a_verb_over_the_limit_is_too_long() -> None:
    """Also one with a constant reply, which has a fast path."""
    assert TOO_LONG == converse(SERVICE, b"PING\n", limit_line=3).sent
    assert TOO_LONG == converse(SERVICE, b"PING\nPING\nPING\n", limit_line=3).sent
    assert b"PONG\n" == converse(SERVICE, b"PING\n", limit_line=4).sent


REQUESTS = {
    "the same": [b"PING\n"],
    "the same, with CR": [b"PING\r\n"],
    "no two in a row": [b"PING\n", b"BURN 1\n"],
    "errors": [b"?\n"],
    "constant and not": [b"PING\n", b"PING\n", b"PING\n", b"?\n"],
}


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_a_turn_answers_no_more_than_the_limit(kind: str, limit: int) -> None:
    """Every Send but the last is full, in requests or in bytes, and none is over."""
    requests = list(itertools.islice(itertools.cycle(REQUESTS[kind]), 50))
    driver = converse(SERVICE, b"".join(requests), limit_pipeline=limit)
    answered = [send.count(b"\n") for send in driver.sends]
    assert 50 == sum(answered)
    assert limit >= max(answered)
    assert -(-50 // limit) == len(answered)


def test_a_turn_is_over_when_its_replies_are_long() -> None:
    """However many requests there may be in one: a write takes no more than that at once."""
    sends = converse(SERVICE, b"STREAM 16000\n" * 20).sends
    assert 20 * 16_005 == sum(map(len, sends))
    assert 65_536 + 16_005 > max(map(len, sends))
    assert 4 == len(sends)


def test_new_data_does_not_prolong_a_turn() -> None:
    """A client that sends all the time gets a bounded reply all the time."""
    driver = Driver(Config(SERVICE, limit_pipeline=5))
    for _ in range(10):
        driver.connection.receive_data(b"PING\n" * 7)
        assert driver.step()
    driver.end()
    assert 5 >= max(send.count(b"\n") for send in driver.sends)
    assert b"PONG\n" * 70 == driver.sent
    assert {"ping": 70} == driver.counts


@pytest.mark.parametrize(
    ("options", "taken", "refused"),
    [
        ({"limit_burn": 1500}, b"BURN 1500", b"BURN 1501"),
        ({"limit_burn": 0}, b"BURN 0", b"BURN 1"),
        ({"limit_stream": 20_000}, b"STREAM 20000", b"STREAM 20001"),
        ({"limit_stream": 0}, b"STREAM 0", b"STREAM 1"),
        ({"limit_wait": 0.5}, b"WAIT 0.5", b"WAIT 0.51"),
        ({"limit_wait": 0.0}, b"WAIT 0", b"WAIT 0.1"),
        ({"limit_wait": 0.5, "wait_unit": "ms"}, b"WAIT 500", b"WAIT 500.1"),
        ({}, b"WAIT 86400", b"WAIT 86400.1"),
        ({"wait_unit": "ms"}, b"WAIT 86400000", b"WAIT 86400001"),
    ],
)
def test_arguments_go_up_to_their_limit(
    options: dict[str, float], taken: bytes, refused: bytes
) -> None:
    """And not one beyond it; the connection goes on."""
    service = dumb_service(**options)  # type: ignore[arg-type]
    driver = converse(service, refused + b"\n" + taken + b"\n")
    assert driver.sent.startswith(b"INVALID_ARGUMENT\n")
    assert 1 == driver.counts["invalid"]
    assert 1 == driver.counts[taken.split()[0].decode().lower()]


def memory_of(driver: Driver, chunks: list[bytes]) -> int:
    """Bytes that the core keeps of ``chunks``, at the most at any time between two."""
    tracemalloc.start()
    try:
        before, kept = tracemalloc.get_traced_memory()[0], 0
        for chunk in chunks:
            driver.connection.receive_data(chunk)
            driver.run()
            kept = max(kept, tracemalloc.get_traced_memory()[0] - before)
        return kept
    finally:
        tracemalloc.stop()


def test_an_endless_line_is_not_kept() -> None:
    """Neither before nor after it has been refused, nor anything that follows."""
    driver = Driver(Config(SERVICE))
    assert 20_000 > memory_of(driver, [b"x" * 1000] * 1000)
    assert TOO_LONG == driver.sent


def test_what_follows_an_endless_line_is_not_kept_for_later() -> None:
    """Even by a driver that reads on and never asks."""
    connection = Driver(Config(SERVICE)).connection
    connection.receive_data(b"x" * 2000)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(100):
            connection.receive_data(b"PING\n" * 100)
            assert not connection.unfinished
        assert 10_000 > tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_one_long_read_of_an_endless_line_is_not_kept() -> None:
    """The read is the driver's; no copy of it stays."""
    driver = Driver(Config(SERVICE))
    assert 20_000 > memory_of(driver, [b"PING\n" + b"x" * 10_000_000])


def test_nothing_is_kept_of_what_was_answered() -> None:
    """A million requests leave no more behind than one."""
    chunks = [b"PING\nPING\nBURN 1\n?\nPI", b"NG\n" + b"y" * 500 + b"\n"] * 500
    driver = Driver(Config(SERVICE))
    memory_of(driver, chunks[:2])
    driver.performed.clear()
    # The driver itself keeps 52 bytes of reply and a list entry for every two chunks.
    assert 200_000 > memory_of(driver, chunks)


def test_a_long_line_in_many_pieces_costs_no_more_than_its_length() -> None:
    """Four megabytes in 64-byte pieces take a fraction of a second; a core that copied the
    line for each, or searched it again for its end, would be at it for a hundred times as long.
    """
    driver = Driver(Config(SERVICE, limit_line=4_000_000))
    with cpu_time(limit=ENOUGH):
        for _ in range(4_000_000 // 64):
            driver.connection.receive_data(b"x" * 64)
    assert UNKNOWN == driver.receive(b"\n").sent


@pytest.mark.parametrize(
    ("size", "line", "reply"),
    [
        (10_000_000, b"PING\n", b"PONG\n"),
        (1_000_000, b"\n", UNKNOWN),
        (500_000, b"BURN 1\n", b"RESULT 1\n"),
    ],
    ids=["PING", "empty", "BURN"],
)
def test_a_long_read_of_short_lines_costs_no_more_than_its_length(
    size: int, line: bytes, reply: bytes
) -> None:
    """Millions of lines, whatever a turn may answer of them."""
    times = size // len(line)
    with cpu_time(limit=ENOUGH):
        driver = converse(SERVICE, line * times)
    assert (reply * times == driver.sent) is True


def test_slow_commands_in_a_long_read_cost_no_more_than_their_number() -> None:
    """Each ends a turn; the lines after it are not copied again."""
    service = Service()
    service.command("NAP")(lambda: iter([Send(b".")]))
    with cpu_time(limit=ENOUGH):
        assert b"." * 50_000 == converse(service, b"NAP\n" * 50_000).sent
