"""Sharing one load out among agents, and adding up what they bring back."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..results import Agent, NoResult, Result, doubts, merge
from .cluster import CannotShare, choose, clock_offsets, cluster, workers_of
from .task import Board, Ended, run_agent

#: Seconds between looks at who is done, and who is lost.
POLL: Final = 0.5
#: Seconds by which the clock of another machine may be off before it is said.
OFFSET: Final = 0.02
#: Seconds that agents have to come to their end once they are stopped.
FAREWELL: Final = 15.0

Tell = Callable[[str], object]


@dataclass(slots=True)
class Share:
    """One agent: which it is, where it runs, and what came of it.

    :param lost: why there is no result.
    """

    index: int
    worker: str
    future: Any = None
    result: Result | None = None
    lost: str = ""

    @property
    def over(self) -> bool:
        """Whether there is a result, or will be none."""
        return self.result is not None or bool(self.lost)

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
    interrupted: bool = field(default=False)

    def wait(self, seconds: float = float("inf")) -> None:
        """Wait until all are over, ``seconds`` at the most."""
        deadline = time.monotonic() + seconds
        while self._look() and time.monotonic() < deadline:
            time.sleep(POLL)

    def begin(self, patience: float, start_in: float) -> None:
        """Wait until all have connected, or been lost, and let them begin together."""
        deadline = time.monotonic() + patience
        while self._look() and self.board.ready < len(self.shares):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL)
        self.board.agree(time.time() + start_in)
        self.tell(f"{min(self.board.ready, len(self.shares))} agents begin in {start_in:g} s")

    def interrupt(self) -> None:
        """Let all come to an end, and wait for that as long as it may take."""
        self.interrupted = True
        self.board.stop()
        self.wait(FAREWELL)
        for share in self.shares:
            if not share.over:
                self._lose(share, "it did not come to an end when it was stopped")

    def _look(self) -> bool:
        """See who is done and who is lost; whether anybody is still at it."""
        there = set(workers_of(self.client))
        for share in self.shares:
            if share.over:
                continue
            if share.future.done():
                self._collect(share)
            elif share.worker not in there:
                # Dask would wait for a worker of that address for ever: there will be none.
                share.future.cancel()
                self._lose(share, "its worker was lost")
        return not all(share.over for share in self.shares)

    def _collect(self, share: Share) -> None:
        if share.future.status != "finished":
            self._lose(share, f"its task failed: {share.future.exception()!r}")
            return
        share.take(share.future.result())
        if share.lost:
            self._lose(share, share.lost)

    def _lose(self, share: Share, why: str) -> None:
        share.lost = why
        self.tell(f"agent {share.index}/{len(self.shares)} on {share.worker} was lost: {why}")


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
        shared = _submit(client, words, workers, tell)
        try:
            shared.begin(patience, start_in)
            shared.wait()
        except KeyboardInterrupt:
            shared.interrupt()
        return _sum(shared)


def _submit(client: Any, words: Sequence[str], workers: Sequence[str], tell: Tell) -> _Shared:
    name = f"loadgen-{uuid.uuid4().hex}"
    shares = [Share(index, worker) for index, worker in enumerate(workers)]
    for share in shares:
        own = [*words, "--share", f"{share.index}/{len(workers)}", "-q", "-o", "json"]
        share.future = client.submit(
            run_agent,
            own,
            name,
            key=f"{name}-{share.index}",
            workers=[share.worker],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
    return _Shared(client, Board(name, client), shares, tell)


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
