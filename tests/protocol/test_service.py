"""A service is a table: what goes in, and which words its functions get."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from dumb_async.protocol import (
    LONGEST_SLEEP,
    Action,
    Compute,
    Expected,
    InvalidArgument,
    Send,
    Service,
    Sleep,
)

from .driver import converse


def reply(*words: bytes) -> bytes:
    """Words in brackets, so that it shows where they are parted."""
    return b"".join(b"[%s]" % word for word in words) + b"\n"


def none() -> bytes:
    """No words."""
    return reply()


def one(first: bytes) -> bytes:
    """One word."""
    return reply(first)


def two(first: bytes, second: bytes) -> bytes:
    """Two words."""
    return reply(first, second)


def up_to_two(first: bytes, second: bytes = b"default", /) -> bytes:
    """One word or two."""
    return reply(first, second)


@pytest.mark.parametrize(
    ("function", "line", "expected"),
    [
        (none, b"DO", b"\n"),
        (none, b"DO ", None),
        (none, b"DO x", None),
        (one, b"DO", None),
        (one, b"DO ", b"[]\n"),
        (one, b"DO x", b"[x]\n"),
        (one, b"DO  x ", b"[ x ]\n"),
        (one, b"DO a b  c", b"[a b  c]\n"),
        (two, b"DO x", None),
        (two, b"DO x ", b"[x][]\n"),
        (two, b"DO a b", b"[a][b]\n"),
        (two, b"DO  b", b"[][b]\n"),
        (two, b"DO a b c", b"[a][b c]\n"),
        (up_to_two, b"DO", None),
        (up_to_two, b"DO a", b"[a][default]\n"),
        (up_to_two, b"DO a b c", b"[a][b c]\n"),
    ],
)
def test_words_are_what_single_spaces_part(
    function: Callable[..., bytes], line: bytes, expected: bytes | None
) -> None:
    """The last parameter takes the rest; too few or too many are INVALID_ARGUMENT."""
    service = Service()
    service.command("DO")(function)
    assert (expected or b"INVALID_ARGUMENT\n") == converse(service, line + b"\n").sent


@pytest.mark.parametrize("line", [b"do", b"D", b"DOO", b"DO\t", b" DO", b"DO\0", b"", b" "])
def test_verbs_match_as_whole_words(line: bytes) -> None:
    """To the byte."""
    service = Service()
    service.command("DO")(none)
    service.command("DO_2")(none)
    assert b"UNKNOWN_COMMAND\n" == converse(service, line + b"\n").sent


@pytest.mark.parametrize(
    "verb", ["", "ping", "Ping", "PI NG", "2PING", "_X", "PING\n", "PÏNG", "٣"]
)
def test_a_malformed_verb_is_refused(verb: str) -> None:
    """Nobody could ever ask for it, or it would be no good label."""
    with pytest.raises(ValueError, match="verb"):
        Service().command(verb)(none)
    with pytest.raises(ValueError, match="verb"):
        Service().constant(verb, b"")


@pytest.mark.parametrize("verb", ["UNKNOWN", "INVALID", "TOO_LONG"])
def test_a_verb_that_is_a_label_already_is_refused(verb: str) -> None:
    """It would be counted together with errors."""
    with pytest.raises(ValueError, match="reserved"):
        Service().command(verb)(none)


def test_a_verb_can_be_taken_once() -> None:
    """By a function or by a constant."""
    service = Service()
    service.command("DO")(none)
    service.constant("PING", b"PONG\n")
    for verb in ("DO", "PING"):
        with pytest.raises(ValueError, match="taken"):
            service.command(verb)(one)
        with pytest.raises(ValueError, match="taken"):
            service.constant(verb, b"other\n")
    assert b"\nPONG\n" == converse(service, b"DO\nPING\n").sent


@pytest.mark.parametrize(
    "function",
    [reply, lambda **words: reply(*words.values()), lambda *, word: reply(word)],
    ids=["*words", "**words", "keyword-only"],
)
def test_a_function_takes_plain_parameters(function: Callable[..., bytes]) -> None:
    """They are its words, so their number must be known."""
    with pytest.raises(ValueError, match="plain positional"):
        Service().command("DO")(function)
    with pytest.raises(ValueError, match="plain positional"):
        Service().expected("DO")(function)  # type: ignore[type-var]


def test_a_decorated_function_stays_what_it_was() -> None:
    """It can be called and tested by itself."""
    service = Service()
    assert one is service.command("DO")(one)


def test_a_method_can_be_a_command() -> None:
    """Its ``self`` is no word."""

    class Counter:
        def __init__(self) -> None:
            self.count = 0

        def add(self, text: bytes) -> bytes:
            self.count += len(text)
            return b"%d\n" % self.count

    service = Service()
    service.command("ADD")(Counter().add)
    assert b"3\n5\n" == converse(service, b"ADD abc\nADD xy\n").sent


def test_the_tables_can_be_read_and_not_written() -> None:
    """Registering is the only way in."""
    service = Service("mine")
    service.command("DO")(up_to_two)
    service.constant("PING", b"PONG\n")
    assert "mine" == service.name
    assert [b"DO", b"PING"] == list(service.commands)
    assert {b"PING": b"PONG\n"} == dict(service.constants)
    assert ("do", "ping", "invalid", "too_long", "unknown") == service.labels
    assert (1, 2) == (service.commands[b"DO"].least, service.commands[b"DO"].most)
    tables: list[Any] = [service.commands, service.constants]
    for table in tables:
        with pytest.raises(TypeError):
            table[b"NEW"] = None


def test_another_service_can_be_included() -> None:
    """With its constants and with what clients expect of it."""
    other = Service()
    other.constant("PING", b"PONG\n")
    other.command("DO")(none)
    other.expected("DO")(lambda: Expected(b"\n"))
    service = Service()
    service.command("ONE")(one)
    service.include(other)
    assert b"PONG\n\n[x]\n" == converse(service, b"PING\nDO\nONE x\n").sent
    assert Expected(b"\n") == service.expect(b"DO")
    assert {b"PING": b"PONG\n"} == dict(service.constants)
    with pytest.raises(ValueError, match="taken"):
        service.include(other)


def test_what_to_expect_follows_the_commands() -> None:
    """The same words, the same limits, the same errors."""
    service = Service()
    service.constant("PING", b"PONG\n")
    service.command("ONE")(one)
    service.command("TWO")(two)
    service.expected("TWO")(lambda first, second: Expected(reply(first, second)))

    @service.expected("ONE")
    def expect_one(first: bytes) -> Expected:
        if first == b"no":
            raise InvalidArgument
        return Expected(reply(first))

    invalid, unknown = Expected(b"INVALID_ARGUMENT\n"), Expected(b"UNKNOWN_COMMAND\n")
    assert {
        b"PING": Expected(b"PONG\n"), b"PING ": invalid, b"PING x": invalid,
        b"ONE": invalid, b"ONE x": Expected(b"[x]\n"), b"ONE no": invalid,
        b"TWO a b c": Expected(b"[a][b c]\n"), b"": unknown, b"NONE x": unknown,
    } == {
        line: service.expect(line)
        for line in (
            b"PING", b"PING ", b"PING x", b"ONE", b"ONE x", b"ONE no", b"TWO a b c", b"", b"NONE x",
        )
    }  # fmt: skip


def test_without_a_word_on_it_any_line_is_expected() -> None:
    """Of a command that exists; an unknown one has its own reply."""
    service = Service()
    service.command("ONE")(one)
    assert Expected.line() == service.expect(b"ONE x")
    assert Expected(None) == Expected.line()


def test_a_generator_can_be_a_command_with_words() -> None:
    """They are there before its first action."""
    service = Service()

    @service.command("SAY")
    def say(text: bytes) -> Iterator[Action]:
        yield Sleep(1)
        yield Send(text)

    assert b"hello world" == converse(service, b"SAY hello world\n").sent


@pytest.mark.parametrize("seconds", [0, 0.5, 86_400, LONGEST_SLEEP])
def test_a_sleep_has_a_bearable_length(seconds: float) -> None:
    """From nothing to what every clock can add."""
    assert seconds == Sleep(seconds).seconds


@pytest.mark.parametrize(
    "seconds",
    [-1, -0.001, LONGEST_SLEEP + 1, 10**400, float("nan"), float("inf"), float("-inf")],
)
def test_a_sleep_of_any_other_length_is_refused(seconds: float) -> None:
    """Where it is made, so that the trace leads to the command."""
    with pytest.raises(ValueError, match="Sleep takes 0 to"):
        Sleep(seconds)


@pytest.mark.parametrize("data", ["text", bytearray(b"x"), memoryview(b"x"), None, 5])
def test_only_bytes_can_be_sent(data: Any) -> None:
    """Anything else is refused where it is made."""
    with pytest.raises(TypeError, match="bytes"):
        Send(data)


def test_a_compute_shows_what_it_calls() -> None:
    """In a trace or a log."""
    compute = Compute(max, 1, 2)
    assert 2 == compute.run()
    assert "Compute(<built-in function max>, *(1, 2))" == repr(compute)


async def coroutine() -> bytes:
    """What no driver awaits."""
    return b""


async def async_generator() -> AsyncIterator[Action]:
    """What no driver iterates."""
    yield Send(b"")


@pytest.mark.parametrize("function", [coroutine, async_generator])
def test_an_async_function_is_refused(function: Any) -> None:
    """When it is registered, and not when the first client asks."""
    with pytest.raises(ValueError, match="async"):
        Service().command("DO")(function)
