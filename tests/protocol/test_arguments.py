"""Numbers on the wire: what is one, and what only looks like one to Python."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumb_async.protocol import InvalidArgument, decimal, integer

NO_NUMBERS = [
    b"", b" ", b"-1", b"+5", b"1_0", b"1e9", b"0x10", b"nan", b"inf", b"Infinity", b"5 ", b" 5",
    b"\t5", b"5\n", b"5\r", b"5\0", b"\x0c5", b"five", b"1,5", "٣".encode(), "²".encode(),
    "\uff15".encode(), b"1 0", b"--1", b"\xff",
]  # fmt: skip


@given(st.integers(0, 10**30), st.integers(0, 3))
def test_every_whole_number_is_read(number: int, zeroes: int) -> None:
    """Leading zeroes change nothing."""
    assert number == integer(b"0" * zeroes + b"%d" % number, limit=10**30)


@given(st.integers(0, 10**20), st.integers(0, 10**20))
def test_whole_numbers_end_at_the_limit(number: int, limit: int) -> None:
    """Exactly."""
    text = b"%d" % number
    if number <= limit:
        assert number == integer(text, limit=limit)
    else:
        with pytest.raises(InvalidArgument):
            integer(text, limit=limit)


@pytest.mark.parametrize("text", [*NO_NUMBERS, b"1.0", b"1."])
def test_other_texts_are_no_whole_numbers(text: bytes) -> None:
    """Even where ``int`` takes them."""
    with pytest.raises(InvalidArgument):
        integer(text, limit=10**100)


@pytest.mark.parametrize("text", [*NO_NUMBERS, b".5", b"5.", b".", b"1.2.3", b"1.-2"])
def test_other_texts_are_no_decimal_numbers(text: bytes) -> None:
    """Even where ``float`` takes them."""
    with pytest.raises(InvalidArgument):
        decimal(text, limit=10.0**100)


@given(st.binary(max_size=12))
def test_no_text_does_anything_else(text: bytes) -> None:
    """A number from 0 to the limit, or InvalidArgument."""
    for read in (integer, decimal):
        try:
            value: float = read(text, limit=1000)
        except InvalidArgument:
            continue
        assert 0 <= value <= 1000
        assert float(text) == value


@given(st.decimals(0, 10**6, places=3))
def test_decimal_numbers_are_read(number: object) -> None:
    """As precisely as a float is."""
    assert float(str(number)) == decimal(str(number).encode(), limit=10.0**6)


@pytest.mark.parametrize(
    ("text", "limit", "taken"),
    [(b"0.5", 0.5, True), (b"0.500001", 0.5, False), (b"0", 0, True), (b"0.0", 0, True)],
)
def test_decimal_numbers_end_at_the_limit(text: bytes, limit: float, taken: bool) -> None:
    """Exactly."""
    assert taken is (float(text) <= limit)
    if taken:
        assert float(text) == decimal(text, limit=limit)
    else:
        with pytest.raises(InvalidArgument):
            decimal(text, limit=limit)


@pytest.mark.parametrize("digits", [400, 5000, 1_000_000])
def test_long_numbers_are_over_the_limit_and_nothing_else(digits: int) -> None:
    """More digits than Python converts, more than a float holds: no other error."""
    for text in (b"9" * digits, b"9" * digits + b".5"):
        with pytest.raises(InvalidArgument):
            decimal(text, limit=sys.float_info.max)
    with pytest.raises(InvalidArgument):
        integer(b"9" * digits, limit=10**12)
    assert 7 == integer(b"0" * digits + b"7", limit=10**12)


@pytest.mark.parametrize("limit", [float("inf"), float("nan")])
def test_a_limit_that_is_no_limit_does_not_let_infinity_through(limit: float) -> None:
    """What comes out is a number that one can wait for."""
    with pytest.raises(InvalidArgument):
        decimal(b"9" * 400, limit=limit)
