"""The counters in Prometheus' terms, made when a scraper asks for them."""

import resource
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ..protocol import PROTOCOLS
from .logs import QueuedHandler
from .stats import LAG_BOUNDS, Stats


class ServerCollector(Collector):
    """Exports `Stats`, or what is read as such whenever somebody asks."""

    def __init__(self, stats: Stats | Callable[[], Stats]) -> None:
        self._read = stats if callable(stats) else lambda: stats

    def collect(self) -> Iterator[Metric]:
        """The server's metrics."""
        stats = self._read()
        yield _gauge("server_active_connections", "Clients connected now.", stats.active)
        yield _gauge("server_active_threads", "Threads that serve clients.", stats.threads)
        yield _counter("server_connections", "Clients served.", stats.connections)
        yield _counters("server_requests", "Requests, by command.", "request_type", stats.requests)
        yield _counters(
            "server_rejected_connections",
            "Connections not served: the server was full, the error of accept, another protocol.",
            "reason",
            dict.fromkeys(PROTOCOLS, 0) | stats.rejected,
        )
        yield _counters(
            "server_timeouts", "Connections ended by a deadline.", "kind", stats.timeouts
        )
        yield _counter("server_connection_resets", "Connections lost to a reset.", stats.resets)
        yield _counter("server_bytes_received", "Bytes read from clients.", stats.bytes_received)
        yield _counter("server_bytes_sent", "Bytes written to clients.", stats.bytes_sent)
        yield _lag(stats)


class UsageCollector(Collector):
    """What the process has used, where `prometheus_client.ProcessCollector` gives sums only."""

    def collect(self) -> Iterator[Metric]:
        """CPU by mode, context switches by kind, lines of the log, threads."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        yield _counters(
            "process_cpu_mode_seconds",
            "CPU seconds, in user and in system mode.",
            "mode",
            {"user": usage.ru_utime, "system": usage.ru_stime},
        )
        yield _counters(
            "process_context_switches",
            "Times the process gave up its CPU, and times it was taken from it.",
            "kind",
            {"voluntary": usage.ru_nvcsw, "nonvoluntary": usage.ru_nivcsw},
        )
        yield _counter(
            "process_log_lines_dropped",
            "Lines of the log that were not read in time.",
            QueuedHandler.dropped,
        )
        with suppress(OSError):  # no /proc, or no descriptor for it
            threads = len(list(Path("/proc/self/task").iterdir()))
            yield _gauge("process_threads", "Threads of the process.", threads)


def registry_for(stats: Stats | Callable[[], Stats]) -> CollectorRegistry:
    """A registry of its own with the metrics of a server and of this process."""
    registry = CollectorRegistry(auto_describe=True)  # or it is not known who has `?name[]=…`
    registry.register(ServerCollector(stats))
    registry.register(UsageCollector())
    ProcessCollector(registry=registry)
    return registry


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help, value=value)


def _counter(name: str, help: str, value: float) -> Metric:
    return CounterMetricFamily(name, help, value=value)


def _counters(
    name: str, help: str, label: str, values: dict[str, int] | dict[str, float]
) -> Metric:
    family = CounterMetricFamily(name, help, labels=[label])
    for key, value in list(values.items()):  # another thread may add a key meanwhile
        family.add_metric([key], value)
    return family


def _lag(stats: Stats) -> Metric:
    counts = list(stats.lag_counts)
    bounds = [*map(str, LAG_BOUNDS), "+Inf"]
    running = [sum(counts[: index + 1]) for index in range(len(counts))]
    family = HistogramMetricFamily("server_loop_lag_seconds", "How late the event loop runs.")
    family.add_metric([], list(zip(bounds, running, strict=True)), stats.lag_sum)
    return family
