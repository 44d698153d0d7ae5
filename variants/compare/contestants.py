"""Who is compared: the loops of the primary server, the variants, any command."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dumb_async import runtimes

from .. import NAMES

#: Stands for the port in a command.
PORT: Final = "{port}"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server that can be started.

    :param command: words of its command line; `PORT` in them stands for the port.
    :param foreign: whether it is none of ours.
    """

    name: str
    command: tuple[str, ...]
    foreign: bool = False

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
        return {"name": self.name, "command": shlex.join(words), "foreign": self.foreign}


def contestants(arguments: Sequence[str] = ()) -> dict[str, Contestant]:
    """Everyone of ours who speaks PING, WAIT, BURN and STREAM, by name.

    :param arguments: added to every command.
    """
    ours = {
        **{loop: ("dumb_async", "--loop", loop) for loop in runtimes.NAMES},
        **{name: ("variants", name) for name in NAMES if not name.endswith("-chat")},
    }
    # Without metrics there is one thread fewer: what is left is the model's own.
    rest = ("--port", PORT, "--no-metrics", *arguments)
    return {
        name: Contestant(name, (sys.executable, "-m", *words, *rest))
        for name, words in ours.items()
    }
