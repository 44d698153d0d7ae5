"""Sharing one load out among agents, and adding up what they bring back."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from ..interrupting import interruptible, keep
from ..results import Agent, NoResult, Result, doubts, merge
from .cluster import CannotShare, choose, clock_offsets, cluster, workers_of
from .task import FAREWELL, Board, Ended, Word, run_agent

#: Seconds between looks at who is done, and who is lost.
POLL: Final = 0.5
#: Seconds by which the clock of another machine may be off before it is said.
OFFSET: Final = 0.02
#: Seconds without a sign of life after which a worker is taken for lost; a machine that is gone
#: closes no connection, and Dask waits for it for minutes.
SILENCE: Final = 15.0
#: Seconds after the start in which who was not ready for it may say itself that it is late.
GRACE: Final = 2.0
#: Seconds to wait for what agents have once they are stopped: somewhat longer than they may take.
PATIENCE: Final = FAREWELL + 3.0

Tell = Callable[[str], object]


@dataclass(slots=True)
class Share:
    """One agent: which it is, where it runs, and what came of it.

    :param ready: whether it has connected.
    :param seen: when the scheduler last heard of its worker, and when that was, by our clock.
    :param lost: why there is no result.
    """

    index: int
    worker: str
    future: Any = None
    ready: bool = False
    seen: tuple[float, float] = (0.0, 0.0)
    result: Result | None = None
    lost: str = ""

    @property
    def over(self) -> bool:
        """Whether there is a result, or will be none."""
        return self.result is not None or bool(self.lost)

    def is_silent(self, seen: float) -> bool:
        """Whether nothing was heard of its worker for long, when ``seen`` is the last time."""
        if seen != self.seen[0]:
            self.seen = seen, time.monotonic()
        return time.monotonic() - self.seen[1] > SILENCE

    def take(self, ended: Ended) -> None:
        """Take in how it ended; its result counts whatever its status was."""
        try:
            self.result = Result.from_json(ended.result)
        except NoResult:
            self.lost = ended.said or f"it ended with status {ended.status}"


@dataclass(slots=True)
class _Shared:
    """All agents of a load."""

    client: Any
    board: Board
    shares: list[Share]
    tell: Tell
    word: Word = Word()  # noqa: RUF009 - it cannot be changed
    interrupted: bool = False

    def wait(self, seconds: float = float("inf")) -> None:
        """Wait until all are over, ``seconds`` at the most."""
        deadline = time.monotonic() + seconds
        while self._look() and time.monotonic() < deadline:
            time.sleep(POLL)

    def begin(self, patience: float, start_in: float) -> None:
        """Wait until all have connected, or been lost, and let them begin together."""
        deadline = time.monotonic() + patience
        while self._look() and not all(share.ready or share.over for share in self.shares):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL)
        if count := sum(share.ready and not share.over for share in self.shares):
            self._say(start=time.time() + start_in)
            self.tell(f"{count} agent{'s' * (count > 1)} begin{'s' * (count == 1)} in {start_in:g} s")
        else:
            self._lose_rest(f"it was not ready within {patience:g} s")

    def interrupt(self) -> None:
        """Let all come to an end, and take what they have; interrupted again, what there is."""
        self.interrupted = True
        try:
            self.tell("interrupted: agents come to an end; interrupt again to end them at once")
            self._say(stop=True)
            with interruptible():
                self.wait(PATIENCE)
        except KeyboardInterrupt:
            pass
        self._lose_rest("it did not come to an end when it was stopped")

    def _say(self, **changes: Any) -> None:
        self.word = self.word._replace(beat=self.word.beat + 1, **changes)
        self.board.say(self.word)

    def _look(self) -> bool:
        """See who is ready, done and lost; whether anybody is still at it."""
        try:
            there = workers_of(self.client)
            self._say()
            for index in self.board.take_ready():
                self.shares[index].ready = True
        except (CannotShare, OSError):
            self._lose_rest("the scheduler was lost")
            return False
        for share in self.shares:
            if share.over:
                continue
            if share.future.done():
                self._collect(share)
            elif share.worker not in there or share.is_silent(there[share.worker]):
                # Dask would wait for a worker of that address for ever: there will be none.
                self._lose(share, "its worker was lost")
            elif self.word.start and not share.ready and time.time() > self.word.start + GRACE:
                # It would be late; but it may wait for its worker, which has other tasks.
                self._lose(share, "it was not ready for the agreed start")
        return not all(share.over for share in self.shares)

    def _collect(self, share: Share) -> None:
        if share.future.status != "finished":
            error = share.future.exception() if share.future.status == "error" else None
            self._lose(share, f"its task failed: {error!r}" if error else "its task was cancelled")
            return
        share.take(share.future.result())
        if share.lost:
            self._lose(share, share.lost)

    def _lose(self, share: Share, why: str) -> None:
        share.lost = why
        share.future.cancel()
        self.tell(f"agent {share.index}/{len(self.shares)} on {share.worker} was lost: {why}")

    def _lose_rest(self, why: str) -> None:
        for share in self.shares:
            if not share.over:
                self._lose(share, why)


def share_out(
    words: Sequence[str],
    agents: int,
    *,
    scheduler: str | None,
    start_in: float,
    patience: float,
    tell: Tell,
) -> Result:
    """Have ``agents`` carry out ``python -m loadgen run`` with ``words``; return the sum.

    Interrupted, it stops them and returns what they had.

    :param scheduler: where Dask's is; ``None``: a cluster of this machine is started.
    :param start_in: seconds until all begin, once they have connected.
    :param patience: seconds they may take for that.
    :param tell: called with each line there is to say meanwhile.
    :raises CannotShare: if there is nothing to return.
    """
    with cluster(scheduler, agents) as client:
        workers = choose(client, agents)
        for worker, offset in clock_offsets(client, workers).items():
            if abs(offset) > OFFSET:
                tell(f"the clock of {worker} is off by {offset:+.3f} s: it begins so much apart")
        keep()
        with _submitted(client, words, workers, tell) as shared:
            try:
                with interruptible():
                    shared.begin(patience, start_in)
                    shared.wait()
            except KeyboardInterrupt:
                shared.interrupt()
        return _sum(shared)


@contextmanager
def _submitted(
    client: Any, words: Sequence[str], workers: Sequence[str], tell: Tell
) -> Iterator[_Shared]:
    """Give the agents, each on its worker; none of them outlives the block by long."""
    name = f"loadgen-{uuid.uuid4().hex}"
    shares = [Share(index, worker) for index, worker in enumerate(workers)]
    shared = _Shared(client, Board(name, client), shares, tell)
    shared.board.say(shared.word)
    try:
        for share in shares:
            own = [*words, "--share", f"{share.index}/{len(workers)}", "-q", "-o", "json"]
            share.future = client.submit(
                run_agent,
                own,
                name,
                share.index,
                key=f"{name}-{share.index}",
                workers=[share.worker],
                allow_other_workers=False,
                pure=False,
                retries=0,
            )
        yield shared
    finally:
        if client.status == "running":
            shared.board.wipe()


def _sum(shared: _Shared) -> Result:
    """Add up what there is.

    :raises CannotShare: if there is nothing.
    """
    results = [share.result for share in shared.shares if share.result]
    if not results:
        if shared.interrupted:
            raise KeyboardInterrupt
        raise CannotShare(f"no agent has a result; the first: {shared.shares[0].lost}")
    total = merge(results)
    count = len(shared.shares)
    total.agents += [Agent(f"{s.index}/{count}", None) for s in shared.shares if not s.result]
    total.interrupted |= shared.interrupted
    total.doubts = doubts(total)
    return total
