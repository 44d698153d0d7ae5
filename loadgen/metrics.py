"""The metrics page of a run: read off what its agents have told, when it is asked for."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import click
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from dumb_async.hosting import Exporter

from .agents import Crew
from .counts import Histogram

#: Upper bounds of the latency histogram, in seconds.
BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
          2.5, 5.0, 10.0)  # fmt: skip


class CrewCollector(Collector):
    """What a crew has counted, as Prometheus has it.

    :param instance_id: told apart by: of this run.
    """

    def __init__(self, crew: Crew, instance_id: str) -> None:
        self._crew = crew
        self._id = instance_id

    def collect(self) -> Iterator[Metric]:
        """Yield all families."""
        tally, labels, own = self._crew.tally, ["instance_id"], [self._id]
        connected = GaugeMetricFamily(
            "python_clients_connected", "Connections there are.", labels=labels
        )
        connected.add_metric(own, tally.connected)
        yield connected
        sent = CounterMetricFamily(
            "python_client_requests_sent", "Requests written.", labels=[*labels, "command"]
        )
        for verb, count in _by_verb((name, c.sent) for name, c in tally.commands.items()):
            sent.add_metric([*own, verb], count)
        yield sent
        errors = CounterMetricFamily(
            "python_client_request_errors",
            "Requests without a right reply.",
            labels=[*labels, "type"],
        )
        for fault, count in tally.lost_requests.items():
            errors.add_metric([*own, f"{fault.phase.value}_{fault.cause.name.lower()}"], count)
        yield errors
        unmade = CounterMetricFamily(
            "python_client_connection_errors", "Connections that failed.", labels=labels
        )
        unmade.add_metric(own, tally.lost_connections.total())
        yield unmade
        latency = HistogramMetricFamily(
            "python_client_request_latency_seconds",
            "Response times, from the planned instant to the end of the reply.",
            labels=labels,
        )
        buckets, total = cumulated(tally.response)
        latency.add_metric(own, buckets, total)
        yield latency


def cumulated(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Return cumulative counts by upper bound, as Prometheus has them, and the sum in seconds."""
    counts = dict.fromkeys(BOUNDS, 0)
    for micros, count in histogram:
        for bound in BOUNDS:
            if micros <= bound * 1e6:
                counts[bound] += count
    buckets: list[tuple[str, float]] = [(str(bound), n) for bound, n in counts.items()]
    return [*buckets, ("+Inf", histogram.total)], histogram.mean * histogram.total


@contextmanager
def exporting(crew: Crew, port: int) -> Iterator[None]:
    """Serve the metrics of ``crew`` on ``port`` of the loopback; 0: a free one, which is told.

    :raises OSError: if the port is taken.
    """
    registry = CollectorRegistry(auto_describe=True)
    registry.register(CrewCollector(crew, uuid.uuid4().hex[:12]))
    with Exporter(registry, "127.0.0.1", port) as exporter:
        click.echo("metrics on http://{}:{}/metrics".format(*exporter.address), err=True)
        yield


def _by_verb(counts: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Add up by the first word: what follows it is no matter for a label."""
    totals: dict[str, int] = {}
    for request, count in counts:
        verb = request.partition(" ")[0]
        totals[verb] = totals.get(verb, 0) + count
    yield from totals.items()
