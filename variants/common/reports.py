"""One metrics page for several workers: the same names, with a label that says whose they are."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

#: What a worker has counted, ready to be sent: name, help and type of each family, and of
#: each of its samples name, labels and value.
Report = list[Any]


def write_report(registry: CollectorRegistry) -> Report:
    """Collect what there is, as plain data."""
    return [
        [
            family.name,
            family.documentation,
            family.type,
            [[sample.name, sample.labels, sample.value] for sample in family.samples],
        ]
        for family in registry.collect()
    ]


class Reports(Collector):
    """Joins the reports of several sources, family by family.

    :param sources: for each, by the value of its label, what to call for its report.
    :param families: all that there are in them.
    """

    def __init__(
        self, sources: Mapping[str, Callable[[], Report]], families: Iterable[Metric] = ()
    ) -> None:
        self._sources = sources
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        """Every family once, with a ``worker`` label on each sample."""
        families: dict[str, Metric] = {}
        for worker, report in self._sources.items():
            for name, documentation, kind, samples in report():
                family = families.setdefault(name, Metric(name, documentation, kind))
                for sample, labels, value in samples:
                    family.add_sample(sample, {**labels, "worker": worker}, value)
        yield from families.values()

    def describe(self) -> Iterable[Metric]:
        """The families, or it is not known who has `?name[]=…`; nobody is asked for it."""
        return self._families


def joined(
    sources: Mapping[str, Callable[[], Report]], families: Iterable[Metric] = ()
) -> CollectorRegistry:
    """A registry of what all sources report; see `Reports`."""
    registry = CollectorRegistry()
    registry.register(Reports(sources, families))
    return registry


def pack(number: int, report: Report) -> bytes:
    """Write down a report, and the number it was asked for with."""
    return json.dumps([number, report]).encode()


def unpack(data: bytes) -> tuple[int, Report]:
    """Read what `pack` wrote."""
    number, report = json.loads(data)
    return number, report
