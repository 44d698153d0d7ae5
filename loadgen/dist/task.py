"""What a worker of Dask does: run one agent's command line to its end."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Thread
from time import monotonic
from typing import IO, Any, Final, NamedTuple

from ..leash import READY

#: Seconds between looks at what the client says: while there is none yet to begin, and later.
SOON: Final = 0.05
POLL: Final = 0.25
#: Seconds without a sign of life after which a client is taken for gone.
SILENCE: Final = 15.0
#: Seconds an agent has to come to its end once it is stopped.
FAREWELL: Final = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How an agent ended.

    :param result: what it printed: a result as JSON, or nothing.
    :param said: the last line it said on standard error.
    """

    status: int
    result: str
    said: str


class Word(NamedTuple):
    """What the client says to all agents.

    :param start: when all begin, or began, in Unix time; ``None``: not yet.
    :param stop: whether all are to come to an end.
    :param beat: another with each word, so that a client that is gone is told from a silent one.
    """

    start: float | None = None
    stop: bool = False
    beat: int = 0


class Board:
    """What the tasks of one load and its client tell each other, through the scheduler.

    :param name: of the load, which no other has.
    """

    def __init__(self, name: str, client: Any) -> None:
        from distributed import Queue, Variable  # noqa: PLC0415 - an extra

        kinds: Any = Queue, Variable
        self._ready, self._word = (kind(f"{name}-{kind.__name__}", client=client) for kind in kinds)

    def say_ready(self, index: int) -> None:
        """This agent has connected."""
        self._ready.put(index)

    def take_ready(self) -> list[int]:
        """Return who has said so since this was last asked."""
        return list(self._ready.get(batch=True))

    def say(self, word: Word) -> None:
        """Let all agents hear this."""
        self._word.set(list(word))

    def hear(self) -> Word | None:
        """Return the client's last word; ``None``: it has gone."""
        try:
            return Word(*self._word.get(timeout=POLL))
        except TimeoutError:
            return None

    def leave(self) -> None:
        """Have no more to say: once nobody has, the scheduler forgets who was ready."""
        self._ready.close()

    def wipe(self) -> None:
        """Leave nothing of the load with the scheduler; its agents end."""
        self._word.delete()
        self.leave()


def run_agent(words: Sequence[str], name: str, index: int) -> Ended:
    """Run ``python -m loadgen run`` with ``words``, on the machine of the worker that is asked.

    A task that Dask starts a second time does nothing: all the others have begun by then.
    """
    from distributed import get_client  # noqa: PLC0415 - an extra

    board = Board(name, get_client())
    try:
        word = board.hear()
        if word is None or word.stop or word.start is not None:
            return Ended(1, "", "late for the agreed start: not begun")
        return _run(words, board, index)
    finally:
        board.leave()


def _run(words: Sequence[str], board: Board, index: int) -> Ended:
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
            agent = _Agent(process)
            try:
                status = agent.lead(board, index)
            finally:
                process.kill()  # whoever waits no more leaves nobody behind
        out.seek(0)
        return Ended(status, out.read().decode(), agent.said)


class _Agent:
    """The process of an agent, from its start to its end."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        assert process.stderr is not None
        self._process = process
        self._stdin = process.stdin
        self._ready = self._begun = False
        self._last: Word | None = None
        self._silent_from = monotonic()
        self._ends_by = float("inf")
        self.said = ""
        self._reader = Thread(target=self._read, args=(process.stderr,), daemon=True)
        self._reader.start()

    def lead(self, board: Board, index: int) -> int:
        """Say when it is ready, have it do what the client says; return its status at its end."""
        told = False
        while not self._ended(POLL if self._begun else SOON):
            if self._ready and not told:
                board.say_ready(index)
                told = True
            self._heed(board.hear())
        self._reader.join()
        return self._process.wait()

    def _heed(self, word: Word | None) -> None:
        now = monotonic()
        if word != self._last:
            self._last, self._silent_from = word, now
        if word is None or now > self._silent_from + SILENCE or now > self._ends_by:
            self._process.kill()
        elif word.stop and not self._stdin.closed:
            self._stdin.close()
            self._ends_by = now + FAREWELL
        elif word.start is not None and self._ready and not self._begun:
            self._begun = True
            self._write(b"%.6f\n" % word.start)

    def _write(self, line: bytes) -> None:
        try:
            self._stdin.write(line)
            self._stdin.flush()
        except BrokenPipeError:  # it has ended, as will be seen
            pass

    def _ended(self, seconds: float) -> bool:
        """Whether it ends within ``seconds``."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _read(self, stderr: IO[bytes]) -> None:
        for line in stderr:
            self.said = line.decode(errors="replace").strip()
            self._ready |= self.said == READY
