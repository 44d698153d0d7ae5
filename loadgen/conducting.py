"""One run, from its job to its result."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

from dumb_async.hosting import descriptor_limit, require_cpus

from .agents import Crew, Job
from .counts import Tally
from .interrupting import interruptible, keep
from .results import Agent, Result, doubts
from .results.environment import machine, versions
from .views import Silent, View

#: Seconds between what agents tell where nobody looks on: metrics, and what a lost one had done.
REPORT_EVERY: Final = 1.0
#: Descriptors that one agent takes for itself, and three connections; and each further one here.
LEAST_DESCRIPTORS: Final = 24
DESCRIPTORS_EACH: Final = 4


class CannotRun(Exception):
    """The run could not begin, or nothing came of it; the text says why, in one line."""


def conduct(
    job: Job,
    arguments: dict[str, Any],
    *,
    workers: int = 1,
    cpus: Sequence[int] = (),
    view: View | None = None,
    publish: Callable[[Crew], AbstractContextManager[Any]] = lambda _: nullcontext(),
    start: Callable[[], float] | None = None,
) -> Result:
    """Carry out ``job`` with agents of this machine, and return what came of it.

    Interrupted once, it lets the agents come to an end; twice, it ends them. Either way the
    result has what they had counted; from here on there is something to lose, see `interrupting`.

    :param publish: what makes the crew's counts known elsewhere while the run lasts.
    :param start: called once all have connected; returns the instant of the monotonic clock to
        begin at. ``None``: soon.
    :raises CannotRun: if it did not come to a run.
    :raises KeyboardInterrupt: if somebody had interrupted before it began.
    """
    keep()
    view = view or Silent()
    begun = datetime.now(UTC).isoformat(timespec="milliseconds")
    check_cpus({*cpus, *job.cpus})
    with interruptible():
        _check_descriptors(workers)
    job = replace(job, report_every=view.interval or job.report_every or REPORT_EVERY)
    crew = Crew(job, workers, cpus)
    interrupted = False
    with crew, publish(crew), view:
        try:
            with interruptible():
                _lead(crew, job, view, start)
        except KeyboardInterrupt:
            interrupted = True
            _end(crew)
        return _result(crew, arguments, begun, interrupted=interrupted)


def check_cpus(cpus: Iterable[int]) -> None:
    """See that these CPUs are there for us.

    :raises CannotRun: if one is not.
    """
    try:
        require_cpus(cpus)
    except ValueError as error:
        raise CannotRun(str(error)) from None


def _check_descriptors(workers: int) -> None:
    """See that there are enough descriptors to begin; each agent raises its own limit."""
    needed = LEAST_DESCRIPTORS + DESCRIPTORS_EACH * (workers - 1)
    if (allowed := descriptor_limit()) < needed:
        raise CannotRun(
            f"no more than {allowed} descriptors are allowed, and {needed} needed to begin:"
            " raise the hard limit (ulimit -Hn)"
        )


def _lead(crew: Crew, job: Job, view: View, start: Callable[[], float] | None) -> None:
    while not crew.ready:
        crew.listen(0.1)
    if crew.over:
        return
    _check(crew, job)
    agreed = start() if start else None
    if agreed is not None and (late := monotonic() - agreed) > 0:
        raise CannotRun(f"late by {late:.3f} s for the agreed start: not begun")
    begin = crew.go(agreed)
    seconds = (job.plan.seconds or 0.0) + job.options.warmup
    requests = job.plan.share.count(job.plan.requests or 0)
    due = begin + view.interval
    while not crew.over:
        crew.listen(0.05)
        now = monotonic()
        if view.interval and now >= due:
            due = now + view.interval
            tally = crew.tally
            done = (now - begin) / seconds if seconds else tally.replies / max(requests, 1)
            view.update(tally, done)


def _check(crew: Crew, job: Job) -> None:
    """See that anybody got in."""
    tally = crew.tally
    if job.plan.staged or tally.connections or not tally.lost_connections:
        return
    fault, _ = tally.lost_connections.most_common(1)[0]
    raise CannotRun(f"no connection to {job.target}: {fault.cause.value}; {fault.advice}")


def _end(crew: Crew) -> None:
    """Let the agents come to an end, until somebody has no patience for it."""
    crew.stop()
    try:
        with interruptible():
            while not crew.over:
                crew.listen(0.1)
    except KeyboardInterrupt:
        pass


def _result(crew: Crew, arguments: dict[str, Any], begun: str, *, interrupted: bool) -> Result:
    agents, total, wrong = [], Tally(), None
    for share, outcome in crew.outcomes:
        agents.append(Agent(share, outcome.vitals if outcome else None))
        if outcome and outcome.wrong and wrong is None:
            wrong = [text.decode(errors="backslashreplace") for text in outcome.wrong]
    if crew.failures and all(agent.vitals is None for agent in agents):
        raise CannotRun(crew.failures[0])
    total.add(crew.tally)
    result = Result(total, agents, arguments, begun, machine(), versions(), interrupted, wrong)
    result.doubts = doubts(result)
    return result
