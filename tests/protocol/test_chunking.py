"""The core is a function of the bytes: how they are cut makes no difference."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumb_async.protocol import Close, Config, Sleep

from .driver import Driver, drive
from .model import answer
from .strategies import cut, limits, small_service, streams

SERVICE = small_service()

GRAMMAR = re.compile(
    rb"(?:PONG\n|DONE\n|A+DONE\n|RESULT [0-9]+\n|UNKNOWN_COMMAND\n|INVALID_ARGUMENT\n)*"
    rb"(?:LINE_TOO_LONG\n|WRONG_PROTOCOL\n)?"
)

#: Every kind of request there is, and the borders between them.
CONVERSATION = (
    b"PING\nPING\r\n\nWAIT 0.25\nBURN 3\nBURN 20001\r\nSTREAM 3\nPING x\nSTREAM 16385\nnonsense\n"
    b"PING\nPING\nPING\nPONG\nWAIT 0\n\0\nPI"
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Config, bytes, list[bytes]]:
    """A configuration, a stream, and the same stream in chunks."""
    limit_line, limit_pipeline = draw(limits)
    config = Config(SERVICE, limit_line=limit_line, limit_pipeline=limit_pipeline)
    stream = draw(streams)
    return config, stream, draw(cut(stream))


@settings(max_examples=150)
@given(conversations())
def test_any_chunking_gives_the_same_actions(
    conversation: tuple[Config, bytes, list[bytes]],
) -> None:
    """The same bytes, sleeps, work and end, in the same order, and the same counts."""
    config, stream, chunks = conversation
    whole, cut_up = drive(config, [stream]), drive(config, chunks)
    assert whole.steps == cut_up.steps
    assert whole.counts == cut_up.counts


@settings(max_examples=150)
@given(conversations())
def test_any_bytes_are_answered_as_the_model_does(
    conversation: tuple[Config, bytes, list[bytes]],
) -> None:
    """Byte for byte, with the same counts, and then comes an ordinary end."""
    config, stream, chunks = conversation
    driver, expected = drive(config, chunks), answer(stream, config.limit_line)
    assert expected.sent == driver.sent
    assert expected.counts == driver.counts
    assert expected.slept == [step.seconds for step in driver.steps if isinstance(step, Sleep)]
    last = driver.steps[-1]
    assert isinstance(last, Close)
    assert last.error is None
    assert expected.sent.endswith(b"WRONG_PROTOCOL\n") is bool(last.reason)


@settings(max_examples=150)
@given(conversations())
def test_replies_are_of_the_grammar(conversation: tuple[Config, bytes, list[bytes]]) -> None:
    """Whatever comes in, nothing is raised and nothing but replies comes out."""
    config, _, chunks = conversation
    assert GRAMMAR.fullmatch(drive(config, chunks).sent)


@settings(max_examples=150)
@given(stream=streams, limit=limits)
def test_the_end_of_input_may_come_early(stream: bytes, limit: tuple[int, int]) -> None:
    """Data and end may all be there before the first action is asked for."""
    config = Config(SERVICE, limit_line=limit[0], limit_pipeline=limit[1])
    ahead = Driver(config)
    for at in range(0, len(stream), 5):
        ahead.connection.receive_data(stream[at : at + 5])
    ahead.end()
    in_step = drive(config, [stream])
    assert in_step.steps == ahead.steps
    assert in_step.counts == ahead.counts


@pytest.mark.parametrize("at", range(len(CONVERSATION) + 1))
def test_every_cut_in_two(at: int) -> None:
    """One conversation with everything in it, cut at each of its bytes."""
    config = Config(SERVICE)
    whole = drive(config, [CONVERSATION])
    halves = drive(config, [CONVERSATION[:at], CONVERSATION[at:]])
    assert whole.steps == halves.steps
    assert whole.counts == halves.counts


def test_byte_by_byte() -> None:
    """And once in single bytes, with empty reads among them."""
    config = Config(SERVICE)
    single = [CONVERSATION[at : at + 1] for at in range(len(CONVERSATION))]
    bytewise = drive(config, [piece for byte in single for piece in (byte, b"")])
    assert drive(config, [CONVERSATION]).steps == bytewise.steps
