"""One page for several workers: each family once, each sample with its worker."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dumb_async.hosting import ServerCollector, Stats, registry_for
from variants.common.reports import Report, joined, pack, unpack, write_report


def registry_of(stats: Stats) -> CollectorRegistry:
    """A registry with the server's families alone."""
    registry = CollectorRegistry()
    registry.register(ServerCollector(stats))
    return registry


def report_of(pings: int, lag: float = 0.02) -> Report:
    """What a worker reports that has answered so many PINGs."""
    stats = Stats(["ping"])
    stats.requests["ping"] = stats.active = pings
    stats.reject("fd_setsize")
    stats.observe_lag(lag)
    return write_report(registry_of(stats))


def page_of(**reports: Report) -> str:
    """The page that joins them."""
    sources = {name: lambda report=report: report for name, report in reports.items()}
    return generate_latest(joined(sources)).decode()


def test_a_report_survives_the_journey() -> None:
    """Numbers, labels and all, with the number it was asked for with."""
    report = report_of(3)
    assert (17, report) == unpack(pack(17, report))


def test_one_worker_reports_what_its_own_page_would_say() -> None:
    """But for the label."""
    stats = Stats(["ping", "wait"])
    stats.requests["ping"] = 5
    stats.observe_lag(0.3)
    registry = registry_of(stats)
    own = generate_latest(registry).decode()
    page = page_of(w=unpack(pack(1, write_report(registry)))[1])
    page = page.replace(',worker="w"', "").replace('{worker="w"}', "")
    assert sorted(own.splitlines()) == sorted(page.splitlines())


def test_every_sample_says_whose_it_is() -> None:
    """Its own labels are kept."""
    page = page_of(a=report_of(1), b=report_of(2))
    for line in (
        'server_requests_total{request_type="ping",worker="a"} 1.0',
        'server_requests_total{request_type="ping",worker="b"} 2.0',
        'server_active_connections{worker="b"} 2.0',
        'server_rejected_connections_total{reason="fd_setsize",worker="a"} 1.0',
        'server_loop_lag_seconds_bucket{le="0.025",worker="b"} 1.0',
        'server_loop_lag_seconds_count{worker="b"} 1.0',
    ):
        assert line in page.splitlines()
    samples = [line for line in page.splitlines() if not line.startswith("#")]
    assert all('worker="' in line for line in samples)


def test_every_family_is_there_once() -> None:
    """With one help and one type, as a scraper wants it; it can be parsed."""
    page = page_of(a=report_of(1), b=report_of(2), c=report_of(3))
    kinds = [line for line in page.splitlines() if line.startswith("# TYPE")]
    assert len(set(kinds)) == len(kinds)
    families = {family.name: family for family in text_string_to_metric_families(page)}
    assert 3 == len(families["server_active_connections"].samples)
    assert "histogram" == families["server_loop_lag_seconds"].type


def test_families_that_only_some_have_are_there() -> None:
    """The acceptor's process has more to say than a worker that is a thread."""
    page = page_of(acceptor=write_report(registry_for(Stats(["ping"]))), a=report_of(1))
    assert 'process_threads{worker="acceptor"}' in page
    assert 'process_threads{worker="a"}' not in page


def test_who_reports_nothing_is_missing_and_no_others() -> None:
    """It may be dead, or too busy."""
    page = page_of(a=report_of(1), b=[])
    assert 'worker="a"' in page
    assert 'worker="b"' not in page
    assert b"" == generate_latest(joined({}))


def test_reports_are_asked_for_when_there_is_a_scrape() -> None:
    """Each time anew, and not before."""
    asked = []

    def report() -> Report:
        asked.append(True)
        return report_of(len(asked))

    registry = joined({"0": report})
    assert [] == asked
    for scrape in (1, 2):
        page = generate_latest(registry).decode()
        assert f'server_active_connections{{worker="0"}} {scrape}.0' in page
    assert 2 == len(asked)


def test_a_scraper_may_ask_for_some_names() -> None:
    """Of those that the sources are known to have; they are asked then, and not before."""
    stats = Stats(["ping"])
    registry = joined({"0": lambda: report_of(3)}, registry_of(stats).collect())
    page = generate_latest(registry.restricted_registry(["server_active_connections"])).decode()
    assert ['server_active_connections{worker="0"} 3.0'] == [
        line for line in page.splitlines() if not line.startswith("#")
    ]
