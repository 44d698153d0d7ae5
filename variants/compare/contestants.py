"""Who is compared: the loops of the primary server, the variants, any command."""

import importlib
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dumb_async import runtimes

from .. import NAMES, module_of

#: Stands for the port in a command.
PORT: Final = "{port}"
#: The loops that the nested epoll can be in.
_NESTED: Final = ("asyncio", "uvloop", "trio")
#: Chats, which speak something else; and one that is there once a loop.
_ELSEWHERE: Final = ("select-chat", "epoll-chat", "asyncio-chat", "nested")


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server that can be started.

    :param command: words of its command line; `PORT` in them stands for the port.
    :param foreign: whether it is none of ours.
    :param lacks: what its model does not hold, by its own word, and why.
    """

    name: str
    command: tuple[str, ...]
    foreign: bool = False
    lacks: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Contestant":
        """Read ``name=./server --port {port}``.

        :raises ValueError: if it is none.
        """
        name, _, command = text.partition("=")
        if not name or not command.strip():
            raise ValueError(f"{text!r} is not NAME=COMMAND")
        try:
            words = tuple(shlex.split(command))
        except ValueError as error:
            raise ValueError(f"{command!r} is no command line: {error}") from None
        if not any(PORT in word for word in words):
            raise ValueError(f"{command!r} does not say where the port goes: write {PORT} there")
        return cls(name, words, foreign=True)

    def on_port(self, port: int) -> list[str]:
        """The command that has it listen on a port."""
        return [word.replace(PORT, str(port)) for word in self.command]

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes, without the path of our interpreter."""
        words = ["python" if word == sys.executable else word for word in self.command]
        return {
            "name": self.name,
            "command": shlex.join(words),
            "foreign": self.foreign,
            "lacks": [{"what": what, "why": why} for what, why in self.lacks],
        }


def contestants(arguments: Sequence[str] = ()) -> dict[str, Contestant]:
    """Everyone of ours who speaks PING, WAIT, BURN and STREAM, by name.

    :param arguments: added to every command.
    """
    ours = {
        **{loop: ("dumb_async", "--loop", loop) for loop in runtimes.NAMES},
        **{name: ("variants", name) for name in NAMES if name not in _ELSEWHERE},
        **{f"nested-{loop}": ("variants", "nested", "--loop", loop) for loop in _NESTED},
    }
    # Without metrics there is one thread fewer: what is left is the model's own.
    rest = ("--port", PORT, "--no-metrics", *arguments)
    return {
        name: Contestant(name, (sys.executable, "-m", *words, *rest), lacks=_lacks(words))
        for name, words in ours.items()
    }


def _lacks(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What a model says of itself; the primary server lacks nothing that is asked for."""
    if words[0] != "variants":
        return ()
    model = importlib.import_module(f"variants.{module_of(words[1])}").MODEL
    return tuple((need.value, why) for need, why in model.lacks.items())
