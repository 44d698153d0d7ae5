"""Counters, how they are exported, and the page that they are on."""

import errno
import functools
import http.client
import logging
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from dumb_async.hosting.acceptor import PAUSE
from dumb_async.hosting.addresses import connecting_addresses
from dumb_async.hosting.deadlines import Deadlines
from dumb_async.hosting.exporter import Exporter
from dumb_async.hosting.metrics import registry_for
from dumb_async.hosting.scrapers import SCRAPERS
from dumb_async.hosting.stats import LAG_BOUNDS, Stats
from dumb_async.runtimes import load
from dumb_async.timeouts import INTERVAL, keep_time

from .conftest import RunInNoTime
from .support import PATIENCE

LABELS = ("ping", "wait", "invalid", "too_long", "unknown")


def samples_of(page: str) -> dict[str, float]:
    """The samples of a page, each by its name with its labels."""
    return {
        sample.name
        + "".join(f"|{key}={value}" for key, value in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def collect(registry: CollectorRegistry) -> dict[str, float]:
    """What a scraper would get."""
    return {
        sample.name
        + "".join(f"|{key}={value}" for key, value in sample.labels.items()): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


@pytest.fixture
def stats() -> Stats:
    """Counters at 0."""
    return Stats(LABELS)


def test_everything_is_there_from_the_start(stats: Stats) -> None:
    """A dashboard shows a zero, not a gap."""
    samples = collect(registry_for(stats))
    zeroes = {
        "server_active_connections", "server_connections_total",
        *(f"server_requests_total|request_type={label}" for label in LABELS),
        "server_rejected_connections_total|reason=busy",
        *(f"server_timeouts_total|kind={kind}" for kind in ("idle", "line", "write")),
        "server_connection_resets_total", "server_bytes_received_total", "server_bytes_sent_total",
        "server_loop_lag_seconds_count", "server_loop_lag_seconds_sum",
        "server_loop_lag_seconds_bucket|le=+Inf",
    }  # fmt: skip
    assert dict.fromkeys(zeroes, 0) == {name: samples[name] for name in zeroes}
    assert 1 == samples["server_active_threads"]


def test_every_counter_is_exported(stats: Stats) -> None:
    """Under its own name; none is left out or taken for another."""
    registry = registry_for(stats)
    stats.active, stats.connections, stats.threads, stats.resets = 3, 4, 5, 6
    stats.bytes_received, stats.bytes_sent = 7, 8
    stats.requests["wait"] = 9
    stats.timeouts["line"] = 10
    for _ in range(2):
        stats.reject("busy")
        stats.reject("emfile")
    samples = collect(registry)
    assert [3, 4, 5, 6, 7, 8, 9, 10, 2, 2] == [
        samples[name]
        for name in (
            "server_active_connections", "server_connections_total", "server_active_threads",
            "server_connection_resets_total", "server_bytes_received_total",
            "server_bytes_sent_total", "server_requests_total|request_type=wait",
            "server_timeouts_total|kind=line", "server_rejected_connections_total|reason=busy",
            "server_rejected_connections_total|reason=emfile",
        )
    ]  # fmt: skip


def test_the_process_is_measured(stats: Stats) -> None:
    """Its CPU by mode, its context switches by kind, memory, descriptors and threads."""
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        samples = collect(registry_for(stats))
    finally:
        release.set()
        thread.join()
    assert 2 <= samples["process_threads"]
    for name in (
        "process_cpu_mode_seconds_total|mode=user", "process_context_switches_total|kind=voluntary",
        "process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total",
    ):  # fmt: skip
        assert 0 < samples[name], name
    for name in (
        "process_cpu_mode_seconds_total|mode=system",
        "process_context_switches_total|kind=nonvoluntary",
    ):
        assert 0 <= samples[name], name


def test_lag_falls_into_buckets(stats: Stats) -> None:
    """A bound is in its own; what is over all of them is counted too."""
    for seconds in (0.0, 0.0005, 0.00051, 0.2, 5.0, 5.1, 1000.0):
        stats.observe_lag(seconds)
    samples = collect(registry_for(stats))
    buckets = [samples[f"server_loop_lag_seconds_bucket|le={bound}"] for bound in LAG_BOUNDS]
    assert [2, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 5] == buckets
    assert 7 == samples["server_loop_lag_seconds_bucket|le=+Inf"]
    assert 7 == samples["server_loop_lag_seconds_count"]
    assert 1010.30101 == pytest.approx(samples["server_loop_lag_seconds_sum"])


def test_how_late_the_loop_runs_is_measured(
    run_in_no_time: RunInNoTime, stats: Stats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what a sleep took longer than it should have; never less than nothing."""
    trio = load("trio")
    late = [0.0, 0.3, -0.01, 0.02]

    async def sleep(seconds: float) -> None:
        await load("trio").sleep(seconds + late.pop(0) if late else 3600)

    monkeypatch.setattr(trio, "sleep", sleep)

    async def main() -> None:
        await trio.within(10, functools.partial(keep_time, trio, Deadlines(), stats))

    run_in_no_time(main)
    assert 0.32 == pytest.approx(stats.lag_sum)
    assert 4 == sum(stats.lag_counts)
    assert 0 < INTERVAL <= 1


def test_lost_connections_are_told_apart(stats: Stats, caplog: pytest.LogCaptureFixture) -> None:
    """Those of the network are counted; those of a bug are logged."""
    stats.lost(ConnectionResetError())
    stats.lost(BrokenPipeError())
    assert 2 == stats.resets
    assert [] == caplog.records
    stats.lost(ZeroDivisionError())
    assert 2 == stats.resets
    assert ["ERROR"] == [record.levelname for record in caplog.records]
    assert "ZeroDivisionError" in caplog.text


@pytest.fixture
def exporter(stats: Stats) -> Iterator[Exporter]:
    """A page of these counters."""
    with Exporter(registry_for(stats), "127.0.0.1", 0) as one:
        yield one


def get(exporter: Exporter, path: str = "/metrics") -> tuple[int, str]:
    """Ask for a page."""
    connection = http.client.HTTPConnection(*exporter.address, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_the_head_of_the_page_is_had_alone(exporter: Exporter) -> None:
    """By a probe that wants to know whether it is there: HEAD (RFC 9110, 9.3.2)."""
    with socket.create_connection(exporter.address, PATIENCE) as scraper:
        scraper.sendall(b"HEAD /metrics HTTP/1.0\r\n\r\n")
        head = b"".join(iter(lambda: scraper.recv(65_536), b""))
    assert head.startswith(b"HTTP/1.0 200 ")
    assert b"Content-Type: text/plain" in head
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "name",
    ["server_requests_total", "server_active_connections", "server_loop_lag_seconds_count",
     "process_threads", "process_cpu_seconds_total", "process_context_switches_total"],
)  # fmt: skip
def test_a_scraper_may_ask_for_some_names(exporter: Exporter, name: str) -> None:
    """It gets those and nothing else, and nothing for one that there is not."""
    status, page = get(exporter, f"/metrics?name[]={name}&name[]=no_such_name")
    assert 200 == status
    assert {name} == {sample.partition("|")[0] for sample in samples_of(page)}
    assert (200, "") == get(exporter, "/metrics?name[]=no_such_name")


def test_many_scrapers_are_all_served(stats: Stats) -> None:
    """At once, though a page takes its time: nobody is cut off who has asked and takes it."""
    scrapers = 5 * SCRAPERS

    def read() -> Stats:
        release.wait(PATIENCE)
        return stats

    release = threading.Event()
    release.set()
    with Exporter(registry_for(read), "127.0.0.1", 0) as exporter, ExitStack() as stack:
        release.clear()
        waiting = [
            stack.enter_context(socket.create_connection(exporter.address, PATIENCE))
            for _ in range(scrapers)
        ]
        for one in waiting:
            one.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        release.set()
        assert [b"HTTP/1.0 200"] * scrapers == [one.recv(12) for one in waiting]


def test_a_crowd_of_silent_ones_passes(exporter: Exporter) -> None:
    """Those who say nothing while others wait are cut off, one after the other."""
    with ExitStack() as stack:
        for _ in range(2 * SCRAPERS):
            stack.enter_context(socket.create_connection(exporter.address, PATIENCE))
        assert 200 == get(exporter)[0]


def test_a_page_has_every_address_of_its_host(stats: Stats) -> None:
    """On one port; `::` is IPv6 alone, as it is for the service."""
    for host, hosts in (("", {"0.0.0.0", "::"}), ("::", {"::"}), ("0.0.0.0", {"0.0.0.0"})):
        with Exporter(registry_for(stats), host, 0) as exporter:
            assert hosts == {address[0] for address in exporter.addresses}
            for address in connecting_addresses(host, exporter.address[1]):
                with socket.socket(address[0]) as scraper:
                    scraper.connect(address[1])
                    scraper.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                    assert scraper.recv(12) == b"HTTP/1.0 200"
            if host == "::":
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", exporter.address[1]))


def test_the_page_is_there_when_all_descriptors_are_taken() -> None:
    """Some are kept back for it, and again after each scrape."""
    code = """
        import os, resource, urllib.request
        from dumb_async.hosting import Exporter, Stats, registry_for

        with Exporter(registry_for(Stats(["ping"])), "127.0.0.1", 0) as exporter:
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            url = "http://%s:%d/metrics" % exporter.address
            for _ in range(3):
                pid = os.fork()  # the scraper's descriptors are not the server's
                if not pid:
                    os.closerange(3, 64)
                    page = urllib.request.urlopen(url, timeout=10).read()
                    os.write(1, b"process_open_fds" in page and b"all " or b"some ")
                    os._exit(0)
                while True:
                    try:
                        os.dup(0)
                    except OSError:
                        break
                os.waitpid(pid, 0)
    """
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],  # of fork beside a thread
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (0, "", "all all all ") == (ended.returncode, ended.stderr, ended.stdout)


def test_the_page_is_what_prometheus_reads(exporter: Exporter, stats: Stats) -> None:
    """As it is when it is asked for."""
    for count in (1, 2):
        stats.requests["ping"] = count
        status, page = get(exporter)
        assert 200 == status
        assert count == samples_of(page)["server_requests_total|request_type=ping"]


def test_a_scraper_always_gets_through(exporter: Exporter) -> None:
    """Even if as many as may be there are silent: the oldest of them is cut off."""
    with ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(exporter.address, PATIENCE))
            for _ in range(SCRAPERS)
        ]
        for _ in range(2):
            assert 200 == get(exporter)[0]
        assert b"" == silent[0].recv(1)
        silent[-1].sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert silent[-1].recv(12).startswith(b"HTTP/1.0 200")


@pytest.mark.parametrize("said", [b"", b"PING\n", b"\x00" * 5000, b"GET /metrics HTTP/1.1\r\n"])
def test_a_scraper_that_leaves_does_no_harm(
    exporter: Exporter, said: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """And nobody writes about it, or about any scrape."""
    with socket.create_connection(exporter.address, PATIENCE) as scraper:
        scraper.sendall(said)
    assert 200 == get(exporter)[0]
    assert ("", "") == capfd.readouterr()


def test_a_page_that_nobody_wants_costs_nothing(exporter: Exporter) -> None:
    """Its thread waits for somebody."""
    get(exporter)  # whatever is there once and for all
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1


def test_leaving_ends_it(stats: Stats) -> None:
    """The port is free and the thread is gone, scrapers or not."""
    before = threading.active_count()
    with Exporter(registry_for(stats), "localhost", 0) as exporter:
        address = exporter.address
        assert 200 == get(exporter)[0]
        assert any(thread.name == "metrics" for thread in threading.enumerate())
    assert not any(thread.name == "metrics" for thread in threading.enumerate())
    assert before + 1 >= threading.active_count()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_a_taken_port_is_named(stats: Stats) -> None:
    """In a plain OSError; nothing is left open."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            Exporter(registry_for(stats), "127.0.0.1", port)


def test_logging_is_not_touched(exporter: Exporter) -> None:
    """The page has no log of its own."""
    assert 200 == get(exporter)[0]
    assert not logging.getLogger("prometheus_client").handlers


def test_running_out_of_descriptors_does_not_make_it_spin(
    stats: Stats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection stays in the queue, so it would be tried again without end."""
    pauses: list[float] = []
    left = [errno.EMFILE] * 3  # at the second the page has let go of its spares
    accept = socket.socket.accept

    def fail(listener: socket.socket) -> Any:
        if left:
            raise OSError(left.pop(), "told to")
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", fail)
    monkeypatch.setattr("dumb_async.hosting.exporter.time.sleep", pauses.append)
    with Exporter(registry_for(stats), "127.0.0.1", 0) as exporter:
        assert 200 == get(exporter)[0]
    assert [PAUSE] == pauses
