"""Who starts agents, gives them the word, and adds up what they count."""

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from time import monotonic
from types import TracebackType
from typing import Self

from ..counts import Tally
from ..interrupting import kept
from ..shelter import blocked, sheltered
from .agent import be_agent
from .messages import Done, Failed, FromAgent, Go, Job, Outcome, Progress, Ready, Stop, ToAgent

#: Seconds between the word and the start: enough for it to reach everybody.
NOTICE = 0.05

_context = multiprocessing.get_context("spawn")


class Crew:
    """Agents on this machine, which share a job. Leaving its ``with`` block ends them.

    :param workers: how many there are.
    :param cpus: CPUs to pin them to, one each, in turn; empty: none.
    """

    def __init__(self, job: Job, workers: int = 1, cpus: Sequence[int] = ()) -> None:
        self._members: list[_Member] = []
        self._job = job
        self._workers = workers
        self._cpus = cpus

    def __enter__(self) -> Self:
        try:
            with sheltered():  # we say when to stop
                for worker in range(self._workers):
                    self._members.append(_Member(self._job_of(worker)))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def go(self, start: float | None = None) -> float:
        """Let all begin at ``start``, on the monotonic clock, or soon; return when."""
        start = monotonic() + NOTICE if start is None else start
        self._tell(Go(start))
        return start

    def stop(self) -> None:
        """Let all send nothing more, and come to an end."""
        self._tell(Stop())

    def listen(self, seconds: float) -> bool:
        """Take in what agents say for ``seconds``, or until one does; whether any did."""
        pipes = {member.pipe: member for member in self._members if not member.over}
        heard = wait(list(pipes), seconds)
        for pipe in heard:
            with kept():  # a message is read whole
                pipes[pipe].hear()  # type: ignore[index]
        return bool(heard)

    @property
    def ready(self) -> bool:
        """Whether all have connected, or are over."""
        return all(member.ready or member.over for member in self._members)

    @property
    def over(self) -> bool:
        """Whether all have come to their end."""
        return all(member.over for member in self._members)

    @property
    def tally(self) -> Tally:
        """What all have counted, as far as they have told."""
        total = Tally()
        for member in self._members:
            total.add(member.tally)
        return total

    @property
    def outcomes(self) -> Iterator[tuple[str, Outcome | None]]:
        """What came of each, by its share; ``None``: it was lost."""
        for member in self._members:
            share = member.job.plan.share
            yield f"{share.index}/{share.of}", member.outcome

    @property
    def failures(self) -> list[str]:
        """Why agents failed."""
        return [member.failure for member in self._members if member.failure]

    def _job_of(self, worker: int) -> Job:
        share = self._job.plan.share.part(worker, self._workers)
        cpus = (self._cpus[worker % len(self._cpus)],) if self._cpus else self._job.cpus
        return replace(self._job, plan=self._job.plan.part(share), cpus=cpus)

    def _end(self) -> None:
        with blocked():  # whoever is interrupted here leaves nobody behind
            for member in self._members:
                member.end()

    def _tell(self, message: ToAgent) -> None:
        for member in self._members:
            if not member.over:
                member.tell(message)


class _Member:
    """One agent, as its crew sees it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.ready = False
        self.over = False
        self.tally = Tally()
        self.outcome: Outcome | None = None
        self.failure = ""
        self.pipe: Connection[ToAgent, FromAgent]
        self.pipe, theirs = _context.Pipe()
        self._process = _context.Process(target=be_agent, args=(job, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def hear(self) -> None:
        """Take in one message."""
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):  # OSError: it ended amid a message
            self._process.join()
            self.over = True
            if self.outcome is None and not self.failure:
                self.failure = f"an agent was lost (exit status {self._process.exitcode})"
            return
        match message:
            case Ready(tally):
                self.ready, self.tally = True, tally
            case Progress(tally):
                self.tally = tally
            case Done(outcome):
                self.outcome, self.tally, self.over = outcome, outcome.tally, True
            case Failed(why):
                self.failure, self.over = why, True

    def tell(self, message: ToAgent) -> None:
        """Send one message; who is gone is found out by listening."""
        try:
            self.pipe.send(message)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def end(self) -> None:
        """End the process, if it has not ended."""
        self.pipe.close()  # it takes that for the end
        self._process.join(1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
