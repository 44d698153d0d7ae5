"""Counting in several threads: nothing is lost, and nothing counted twice."""

import threading

from prometheus_client import generate_latest

from dumb_async.hosting import Stats
from variants.common.host import Host
from variants.common.tally import Tally

from ..support import PATIENCE


def test_nobody_serves_at_first(host: Host) -> None:
    """The thread that accepts is not one that serves."""
    assert 0 == Tally(host).total().threads


def test_each_thread_counts_for_itself(host: Host) -> None:
    """The total is that of all of them, and of what the host counts."""
    tally = Tally(host)
    host.stats.reject("busy")
    host.count_with(lambda: 2)
    with tally.counting() as one, tally.counting() as two:
        assert one is not two
        one.requests["ping"] += 1
        two.requests["ping"] += 2
        two.timeouts["idle"] += 1
        total = tally.total()
    assert (3, 1, 1) == (total.requests["ping"], total.timeouts["idle"], total.rejected["busy"])
    assert (2, 2) == (total.threads, total.active)


def test_what_a_thread_has_counted_outlives_it(host: Host) -> None:
    """The thread itself is not counted any more; each count remains one."""
    tally = Tally(host)
    for _ in range(3):
        with tally.counting() as stats:
            stats.requests["ping"] += 1
            stats.bytes_sent += 5
            stats.observe_lag(0.25)
    for _ in range(2):
        total = tally.total()
        assert (3, 15, 0) == (total.requests["ping"], total.bytes_sent, total.threads)
        assert (3, 0.75) == (sum(total.lag_counts), total.lag_sum)


def test_a_thread_that_fails_is_counted_to_its_end(host: Host) -> None:
    """What it has done was done."""
    tally = Tally(host)
    try:
        with tally.counting() as stats:
            stats.resets += 1
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert (1, 0) == (tally.total().resets, tally.total().threads)


def test_the_total_is_a_copy(host: Host) -> None:
    """Whoever changes it changes no count."""
    tally = Tally(host)
    tally.total().requests["ping"] += 1
    tally.total().reject("busy")
    assert (0, 0) == (tally.total().requests["ping"], tally.total().rejected["busy"])


def test_nothing_is_lost_when_threads_come_and_go(host: Host) -> None:
    """While somebody else asks for the total, which never goes down."""
    tally, totals, over = Tally(host), [0], threading.Event()

    def count() -> None:
        for _ in range(50):
            with tally.counting() as stats:
                for _ in range(20):
                    stats.connections += 1

    def ask() -> None:
        while not over.is_set():
            totals.append(tally.total().connections)

    asker = threading.Thread(target=ask)
    asker.start()
    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    over.set()
    asker.join(PATIENCE)
    assert sorted(totals) == totals
    assert 4 * 50 * 20 == tally.total().connections


def test_the_page_shows_the_total(host: Host) -> None:
    """As of when it is asked for."""
    tally = Tally(host)
    with tally.counting() as stats:
        stats.requests["ping"] += 7
        page = generate_latest(host.registry).decode()
    assert 'server_requests_total{request_type="ping"} 7.0' in page
    assert "server_active_threads 1.0" in page
    assert "server_active_threads 0.0" in generate_latest(host.registry).decode()


def test_labels_are_those_of_the_service(host: Host) -> None:
    """So that a page shows a zero and not a gap."""
    with Tally(host).counting() as stats:
        assert Stats(host.service.labels).requests == stats.requests
