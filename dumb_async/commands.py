"""PING, WAIT, BURN and STREAM, written with nothing but the public API."""

from collections.abc import Generator, Iterator
from typing import Final, Literal

from .protocol import (
    Action,
    Compute,
    Expected,
    InvalidArgument,
    Send,
    Service,
    Sleep,
    decimal,
    integer,
)

#: Iterations of one slice of a BURN: a quarter of a millisecond (13 ns each, CPython 3.11).
BURN_SLICE: Final = 20_000
#: A BURN of up to so many iterations costs less than a turn, so it is answered at once.
BURN_AT_ONCE: Final = 1_000
#: Bytes written at a time: larger ones are no faster, smaller ones are (docs/benchmarks.md).
STREAM_CHUNK: Final = 1_048_576
#: A STREAM of up to so many bytes is answered at once.
STREAM_AT_ONCE: Final = 16_384

DONE: Final = b"DONE\n"
_CHUNK: Final = Send(b"A" * STREAM_CHUNK)

WaitUnit = Literal["s", "ms"]
_PER_SECOND: Final = {"s": 1, "ms": 1000}


def dumb_service(
    *,
    wait_unit: WaitUnit = "s",
    limit_wait: float = 86_400.0,
    limit_burn: int = 10**12,
    limit_stream: int = 10**12,
) -> Service:
    """Make the service that this project is about.

    :param wait_unit: what WAIT counts in, seconds or milliseconds.
    :param limit_wait: longest WAIT, in seconds whatever the unit.
    :param limit_burn: longest BURN, in iterations.
    :param limit_stream: longest STREAM, in bytes.
    """
    service = Service("dumb")
    service.constant("PING", b"PONG\n")

    def seconds(duration: bytes) -> float:
        value = decimal(duration, limit=float("inf")) / _PER_SECOND[wait_unit]
        if value > limit_wait:
            raise InvalidArgument("over the limit")
        return value

    @service.command("WAIT")
    def wait(duration: bytes) -> Iterator[Action]:
        yield Sleep(seconds(duration))
        yield Send(DONE)

    @service.expected("WAIT")
    def waited(duration: bytes) -> Expected:
        seconds(duration)
        return Expected(DONE)

    @service.command("BURN")
    def burn(iterations: bytes) -> bytes | Iterator[Action]:
        count = integer(iterations, limit=limit_burn)
        if count <= BURN_AT_ONCE:
            return _result(add_up(1, count + 1))
        return _burn_in_slices(count)

    @service.expected("BURN")
    def burned(iterations: bytes) -> Expected:
        count = integer(iterations, limit=limit_burn)
        return Expected(_result(count * (count + 1) // 2))

    @service.command("STREAM")
    def stream(size: bytes) -> bytes | Iterator[Action]:
        count = integer(size, limit=limit_stream)
        if count <= STREAM_AT_ONCE:
            return b"A" * count + DONE
        return _stream_in_chunks(count)

    @service.expected("STREAM")
    def streamed(size: bytes) -> Expected:
        return Expected(DONE, filler=b"A", count=integer(size, limit=limit_stream))

    return service


def add_up(start: int, stop: int) -> int:
    """Add the numbers from ``start`` up to, not with, ``stop``, one by one."""
    return sum(range(start, stop))


def _result(total: int) -> bytes:
    return b"RESULT %d\n" % total


def _burn_in_slices(count: int) -> Generator[Action, int, None]:
    total = 0
    for start in range(1, count + 1, BURN_SLICE):
        total += yield Compute(add_up, start, min(start + BURN_SLICE, count + 1))
    yield Send(_result(total))


def _stream_in_chunks(count: int) -> Iterator[Action]:
    for _ in range(count // STREAM_CHUNK):
        yield _CHUNK
    yield Send(b"A" * (count % STREAM_CHUNK) + DONE)
