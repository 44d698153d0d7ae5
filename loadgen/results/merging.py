"""Adding up results, and what speaks against it."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from ..counts import Tally
from .result import Result

#: What a load is: where these differ, percentiles of all together are those of neither.
_LOAD: Final = ("target", "service", "mix", "pipeline", "think", "timeout")


def merge(results: Sequence[Result]) -> Result:
    """Add the counts of results that ran side by side; the first one's arguments stay."""
    total, first = Tally(), results[0]
    for result in results:
        total.add(result.tally)
    return Result(
        tally=total,
        agents=[agent for result in results for agent in result.agents],
        arguments=first.arguments,
        begun=min(result.begun for result in results),
        machine=first.machine,
        versions=first.versions,
        interrupted=any(result.interrupted for result in results),
        wrong=next((result.wrong for result in results if result.wrong), None),
        doubts=list(dict.fromkeys(doubt for result in results for doubt in result.doubts)),
    )


def mismatches(named: Sequence[tuple[str, Result]]) -> Iterator[str]:
    """Say in a line each why results, with the names of their files, do not belong together."""
    for (name, one), (other_name, other) in itertools.combinations(named, 2):
        if one == other:
            yield f"{name} and {other_name} are the same result: it is counted twice"
            return
    (name, first), *rest = named
    for other_name, other in rest:
        for key, ours, theirs in _differences(first, other):
            yield f"{name} and {other_name} differ in {key}, {ours} and {theirs}: it is of both"
        if not _overlap(first, other):
            yield f"{name} and {other_name} did not run side by side: the rate is of neither"


def _differences(one: Result, other: Result) -> Iterator[tuple[str, Any, Any]]:
    for key in _LOAD:
        ours, theirs = one.arguments.get(key, "none"), other.arguments.get(key, "none")
        if ours != theirs:
            yield key, ours, theirs
    ours, theirs = ("an open loop" if r.tally.planned else "a closed one" for r in (one, other))
    if ours != theirs:
        yield "kind", ours, theirs


def _overlap(one: Result, other: Result) -> bool:
    """Whether both ran at a time, some seconds of which go into connecting."""
    first, second = sorted((one, other), key=_begun)
    took = max((a.vitals.connecting_s + a.vitals.elapsed_s for a in first.agents if a.vitals),
               default=0.0)  # fmt: skip
    return _begun(second) - _begun(first) <= took + 1


def _begun(result: Result) -> float:
    return datetime.fromisoformat(result.begun).timestamp()
