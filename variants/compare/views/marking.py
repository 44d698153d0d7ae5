"""Which marks tell anything: one that all have is said once, in words, and not at each."""

from collections.abc import Collection, Iterable
from typing import Final

from ..findings import Findings, Scaled, Watched
from ..metrics import Mark

_SAID: Final = {
    Mark.GENERATOR: "the generator was saturated: throughput is at least what is shown, and a"
    " ratio of it nearer to 1 than it is in truth",
    Mark.DISTURBED: "the machine was disturbed: each figure may be worse than it is in truth",
}


def of_all(each: Iterable[Scaled | Watched]) -> frozenset[Mark]:
    """Marks that all of those have of which there are figures."""
    marks = [frozenset(one.marks) for one in each if one.p99 is not None]
    return frozenset.intersection(*marks) if marks else frozenset()


def by_workload(findings: Findings) -> dict[str, frozenset[Mark]]:
    """Marks that all loads of a workload have, whoever had them."""
    workloads = dict.fromkeys(one.workload for one in findings.scaled)
    return {
        name: of_all(one for one in findings.scaled if one.workload == name) for name in workloads
    }


def rest(one: Scaled | Watched, said: Collection[Mark]) -> dict[Mark, int]:
    """The marks of one beyond those that are said of all."""
    return {mark: count for mark, count in one.marks.items() if mark not in said}


def in_words(said: Collection[Mark], where: str) -> list[str]:
    """Say what all have, a sentence for each mark.

    :param where: what has it, such as "every load of ping".
    """
    return [f"In {where} there are rounds in which {_SAID[mark]}." for mark in Mark if mark in said]
