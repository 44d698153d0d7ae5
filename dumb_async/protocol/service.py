r"""A service: a table of commands, as data.

A command is a function of its words. It returns bytes, an immediate reply; or it is a
generator that yields actions, for what takes time:

    service = Service("greeter")

    @service.command("ECHO")
    def echo(text: bytes) -> bytes:
        return text + b"\n"

    @service.command("LATER")
    def later(seconds: bytes, text: bytes) -> Iterator[Action]:
        yield Sleep(decimal(seconds, limit=60))
        yield Send(text + b"\n")

The words of a line are what single spaces part. As in the shell's ``read``, the last
parameter takes the rest of the line, spaces included. A line with too few or too many
words, or a function that raises `InvalidArgument`, is answered INVALID_ARGUMENT.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

from .actions import Action
from .arguments import InvalidArgument
from .expectations import Expected
from .foreign import answer_unknown
from .replies import INVALID_ARGUMENT

Reply = bytes | Iterator[Action]
F = TypeVar("F", bound=Callable[..., Reply])
G = TypeVar("G", bound=Callable[..., Expected])

#: Labels under which requests without a valid command are counted.
UNKNOWN: Final = "unknown"
INVALID: Final = "invalid"
TOO_LONG: Final = "too_long"
_RESERVED: Final = frozenset({UNKNOWN, INVALID, TOO_LONG})

_VERB = re.compile(r"[A-Z][A-Z0-9_]*")


class BadCommand(TypeError):
    """A command returned or yielded what it must not; the text quotes no client."""


@dataclass(frozen=True, slots=True)
class Command:
    """A verb's function and how many words it takes, from ``least`` to ``most``."""

    verb: str
    function: Callable[..., Any]
    least: int
    most: int

    @property
    def label(self) -> str:
        """The name under which its requests are counted."""
        return self.verb.lower()

    def __call__(self, argument: bytes | None) -> Any:
        """Call the function on the words of ``argument``, the line after verb and space.

        :raises InvalidArgument: if their number is wrong, or as the function does.
        """
        words = [] if argument is None else argument.split(b" ", max(self.most - 1, 0))
        if not self.least <= len(words) <= self.most:
            raise InvalidArgument("too few or too many words")
        return self.function(*words)


class Service:
    """A table of verb -> command, and of what a client is to expect of each.

    :param name: what to call the service in messages.
    """

    def __init__(self, name: str = "service") -> None:
        self.name = name
        self._commands: dict[bytes, Command] = {}
        self._constants: dict[bytes, bytes] = {}
        self._expected: dict[bytes, Command] = {}

    def command(self, verb: str) -> Callable[[F], F]:
        """Register the decorated function as the command ``verb``.

        :param verb: capital letters, digits and underscores, a letter first.
        :raises ValueError: if the verb is malformed, reserved or taken, or the function is
            async or takes anything but plain positional parameters.
        """

        def register(function: F) -> F:
            self._add(_describe(verb, function))
            return function

        return register

    def constant(self, verb: str, reply: bytes) -> None:
        """Register a command without an argument whose reply never changes.

        It is what the core answers fastest: whole reads are looked up in a table.
        """
        command = Command(verb, lambda: reply, 0, 0)
        self._add(command)
        self._constants[verb.encode()] = reply
        self._expected[verb.encode()] = Command(verb, lambda: Expected(reply), 0, 0)

    def expected(self, verb: str) -> Callable[[G], G]:
        """Register the decorated function as the client's view of the command ``verb``.

        It takes the same words and returns the `Expected` reply. A command without one
        is expected to answer any one line.
        """

        def register(function: G) -> G:
            self._expected[verb.encode()] = _describe(verb, function)
            return function

        return register

    def include(self, other: "Service") -> None:
        """Take over every command of another service.

        :raises ValueError: if a verb is taken already.
        """
        for command in other._commands.values():
            self._add(command)
        self._constants.update(other._constants)
        self._expected.update(other._expected)

    @property
    def commands(self) -> Mapping[bytes, Command]:
        """The table, by verb."""
        return MappingProxyType(self._commands)

    @property
    def constants(self) -> Mapping[bytes, bytes]:
        """Verb -> reply of those commands whose reply never changes."""
        return MappingProxyType(self._constants)

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label under which requests are counted."""
        return (*(command.label for command in self._commands.values()), *sorted(_RESERVED))

    def expect(self, request: bytes) -> Expected:
        """What a client is to expect for the line ``request`` (without its end)."""
        verb, space, argument = request.removesuffix(b"\r").partition(b" ")
        described = self._expected.get(verb)
        if described is None:
            known = verb in self._commands
            return Expected.line() if known else Expected(answer_unknown(request)[0])
        try:
            expected = described(argument if space else None)
        except InvalidArgument:
            return Expected(INVALID_ARGUMENT)
        assert isinstance(expected, Expected)
        return expected

    def _add(self, command: Command) -> None:
        if not _VERB.fullmatch(command.verb):
            raise ValueError(f"a verb is made of A-Z, 0-9 and _, not {command.verb!r}")
        if command.label in _RESERVED:
            raise ValueError(f"the verb {command.verb} is reserved")
        if command.verb.encode() in self._commands:
            raise ValueError(f"the verb {command.verb} is taken")
        self._commands[command.verb.encode()] = command


def _describe(verb: str, function: Callable[..., Any]) -> Command:
    parameters = inspect.signature(function).parameters.values()
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise ValueError(f"{verb}: a command is a plain function or generator, not async")
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(parameter.kind not in plain for parameter in parameters):
        raise ValueError(f"{verb}: a command takes plain positional parameters only")
    least = sum(parameter.default is inspect.Parameter.empty for parameter in parameters)
    return Command(verb, function, least, len(parameters))
