"""What a worker of Dask does: run one agent's command line to its end."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Thread
from typing import IO, Any, Final

from ..leash import READY

#: Seconds between looks at what a scheduler says.
POLL: Final = 0.25


@dataclass(frozen=True, slots=True)
class Ended:
    """How an agent ended.

    :param result: what it printed: a result as JSON, or nothing.
    :param said: the last line it said on standard error.
    """

    status: int
    result: str
    said: str


class Board:
    """What the tasks of one load and its client tell each other, through the scheduler.

    :param name: of the load, which no other has.
    """

    def __init__(self, name: str, client: Any) -> None:
        from distributed import Event, Queue, Variable  # noqa: PLC0415 - an extra

        kinds: Any = Queue, Variable, Event
        self._ready, self._start, self._stop = (
            kind(f"{name}-{what}", client=client)
            for kind, what in zip(kinds, ("ready", "start", "stop"), strict=True)
        )

    def say_ready(self) -> None:
        """One agent more has connected."""
        self._ready.put(True)

    @property
    def ready(self) -> int:
        """How many have connected."""
        return int(self._ready.qsize())

    def agree(self, start: float) -> None:
        """All begin at this instant, in Unix time."""
        self._start.set(start)

    def agreed(self) -> float | None:
        """When all begin, or began; ``None``: that is not known yet, for `POLL` seconds."""
        try:
            return float(self._start.get(timeout=POLL))
        except TimeoutError:
            return None

    def stop(self) -> None:
        """All are to come to an end."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether all are to come to an end."""
        return bool(self._stop.is_set())


def run_agent(words: Sequence[str], name: str) -> Ended:
    """Run ``python -m loadgen run`` with ``words``, on the machine of the worker that is asked.

    A task that Dask starts a second time does nothing: all the others have begun by then.
    """
    from distributed import get_client  # noqa: PLC0415 - an extra

    board = Board(name, get_client())
    if board.agreed() is not None:
        return Ended(1, "", "late for the agreed start: not begun")
    # On a leash it ends with its input, so also if this worker is killed.
    command = [sys.executable, "-m", "loadgen", "run", *words, "--leash"]
    with tempfile.TemporaryFile() as out:
        with subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            agent = _Agent(process, board)
            try:
                status = agent.lead()
            finally:
                process.kill()  # whoever waits no more leaves nobody behind
        out.seek(0)
        return Ended(status, out.read().decode(), agent.said)


class _Agent:
    """The process of an agent, from its start to its end."""

    def __init__(self, process: "subprocess.Popen[bytes]", board: Board) -> None:
        assert process.stdin is not None
        assert process.stderr is not None
        self._process = process
        self._stdin = process.stdin
        self._board = board
        self._ready = False
        self.said = ""
        self._reader = Thread(target=self._read, args=(process.stderr,), daemon=True)
        self._reader.start()

    def lead(self) -> int:
        """Wait until it is ready, tell it when to begin, wait for its end; return its status."""
        while not self._ready and not self._ended(POLL):
            pass
        self._board.say_ready()
        while not self._ended(0) and not self._stdin.closed:
            start = self._board.agreed()
            if start is not None:
                self._stdin.write(b"%.6f\n" % start)
                self._stdin.flush()
                break
        while not self._ended(POLL):
            pass
        self._reader.join()
        return self._process.wait()

    def _ended(self, seconds: float) -> bool:
        """Whether it ends within ``seconds``; it is to, once all are."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            if not self._stdin.closed and self._board.stopped:
                self._stdin.close()
            return False
        return True

    def _read(self, stderr: IO[bytes]) -> None:
        for line in stderr:
            self.said = line.decode(errors="replace").strip()
            self._ready |= self.said == READY
        self._ready = True  # or it never will be
