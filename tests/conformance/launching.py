"""Processes: their environment, their limits, and what they write."""

import os
import re
import socket
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from .client import PATIENCE

ROOT = Path(__file__).parents[2]


def limited(argv: list[str], limit: str) -> list[str]:
    """The command under a limit, in the words of the shell's ``ulimit``.

    By way of a shell, since a function between fork and exec is unsafe with threads.
    """
    return ["sh", "-c", f'ulimit {limit} && exec "$@"', "sh", *argv]


def spawn(argv: list[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a command from the root of the repository, in a process group of its own."""
    return subprocess.Popen(
        argv,
        cwd=ROOT,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def environment(added: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment without settings for the server, and with what is ``added``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DUMB_")}
    return {**kept, **(added or {})}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


class Drain:
    """Reads a pipe away, so that its writer never blocks, and keeps the lines."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._lines: list[str] = []
        self._ended = False
        self._reads = threading.Event()
        self._reads.set()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """What was read so far."""
        with self._changed:
            return "".join(self._lines)

    def wait_for(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """The first line that has ``pattern``, or ``None`` if none comes in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._find(pattern), PATIENCE)
            return self._find(pattern)

    def pause(self) -> None:
        """Read no more until `join`: who writes will find the pipe full."""
        self._reads.clear()

    def join(self) -> None:
        """Read up to the end and close the pipe: every writer must be gone."""
        self._reads.set()
        self._thread.join(PATIENCE)
        self._pipe.close()

    def _find(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        return next(filter(None, map(pattern.search, self._lines)), None)

    def _read(self) -> None:
        for line in self._pipe:
            with self._changed:
                self._lines.append(line.decode(errors="backslashreplace"))
                self._changed.notify_all()
            self._reads.wait()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
