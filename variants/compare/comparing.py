"""A study, carried out: every measurement in its order, whatever becomes of each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from dumb_async import Service, dumb_service, load_service
from loadgen.scenarios import Scenario

from .measuring import Bench
from .report import Measurement, Observation
from .study import Block, Entry, Load, Study

#: How often in a row a contestant may fail to start before it is not started any more.
PATIENCE = 2


@dataclass(frozen=True, slots=True)
class Step:
    """What is about to be done.

    :param number: how many were done before it, ``of`` how many there are.
    """

    number: int
    of: int
    block: Block
    entry: Entry


Done = Measurement | Observation


class Comparing:
    """Goes through a study.

    :raises dumb_async.ServiceNotFound: if there is no service of the study's name.
    """

    def __init__(self, study: Study) -> None:
        service: Service = load_service(study.service) if study.service else dumb_service()
        self.study = study
        self._bench = Bench(study, service)
        self._failed: Counter[str] = Counter()  # starts in a row, by contestant

    def steps(self) -> Iterator[Step]:
        """Yield all steps in order."""
        total, number = self.study.measurements, 0
        for block in self.study.blocks():
            for entry in block.entries:
                yield Step(number, total, block, entry)
                number += 1

    def do(self, step: Step) -> Done:
        """Carry out one of them.

        :raises KeyboardInterrupt: if somebody interrupts; the server is gone then, too.
        """
        name, cell = step.entry.contestant.name, step.block.cell
        if self._failed[name] >= PATIENCE:
            return _left_out(step)
        if isinstance(cell, Scenario):
            done: Done = self._bench.observe(step.block.number, step.entry, cell)
        else:
            done = self._bench.measure(step.block.number, step.entry, cell)
        if done.result and done.result.interrupted:
            raise KeyboardInterrupt
        self._failed[name] = 0 if done.usage or done.result else self._failed[name] + 1
        return done


def _left_out(step: Step) -> Done:
    number, name, cell = step.block.number, step.entry.contestant.name, step.block.cell
    failure = f"left out: it had failed {PATIENCE} times in a row"
    if isinstance(cell, Load):
        return Measurement(number, name, step.entry.again, cell.workload, cell.connections, failure)
    return Observation(number, name, cell.name, failure)
