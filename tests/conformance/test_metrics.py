"""The metrics page: what it counts, and who can hurt it."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from .client import Client, eventually
from .process import Server, Share
from .servers import Need, Target

PAGE = (
    "server_active_connections",
    "server_active_threads",
    "server_connections_total",
    "server_bytes_received_total",
    "server_bytes_sent_total",
    *(
        f'server_requests_total{{request_type="{kind}"}}'
        for kind in ("ping", "wait", "burn", "stream", "unknown", "invalid", "too_long")
    ),
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_cpu_seconds_total",
)


@pytest.fixture
def server(share: Share, target: Target) -> Server:
    """A server that nobody else uses meanwhile, so that what it counts is the test's."""
    if not target.ours:
        pytest.skip("a foreign server has no metrics page")
    server = share("--limit-connections", "3")
    assert eventually(lambda: server.samples()["server_active_connections"] == 0)
    return server


@contextmanager
def counting(server: Server) -> Iterator[Counter[str]]:
    """Fill the counter with by how much each sample has changed after the block."""
    changes: Counter[str] = Counter()
    before = server.samples()
    yield changes
    after = server.samples()
    changes.update({name: int(after[name] - before.get(name, 0)) for name in after})


def requests_of(changes: Counter[str]) -> dict[str, int]:
    """The requests among them, by type, without those that have not changed."""
    pattern = re.compile(r'server_requests_total\{request_type="(\w+)"\}')
    found = ((pattern.fullmatch(name), change) for name, change in changes.items())
    return {match[1]: change for match, change in found if match and change}


def test_the_page_has_every_metric(server: Server) -> None:
    """From the start: a dashboard shows a zero, not a gap."""
    status, page = server.get()
    samples = server.samples()
    assert 200 == status
    assert [] == [name for name in PAGE if name not in samples]
    assert any(name.startswith("server_rejected_connections_total{reason=") for name in samples)
    assert any(re.match(r"server_\w+_bucket\{", name) for name in samples)
    for word in ("user", "system", "voluntary", "nonvoluntary", "threads"):
        assert re.search(rf'\b(process_\w*{word}|\w+="{word}")', page), word


def test_requests_are_counted_by_their_type(server: Server) -> None:
    """Each once, under the same names on every loop."""
    requests = b"PING\n" * 3 + b"WAIT 0\nWAIT 0.01\nBURN 5\nBURN 100000\nSTREAM 5\nSTREAM 70000\n"
    with counting(server) as changes:
        server.converse(requests + b"nonsense\n\nBURN x\nWAIT -1\nPING 1\n" + b"x" * 2000)
    assert {
        "ping": 3, "wait": 2, "burn": 2, "stream": 2, "unknown": 2, "invalid": 3, "too_long": 1,
    } == requests_of(changes)  # fmt: skip


def test_pipelined_requests_are_counted_one_by_one(server: Server) -> None:
    """Those that are answered together as well."""
    with counting(server) as changes:
        server.converse(b"PING\n" * 1000)
        server.converse(b"PING\nping\n" * 500)
    assert {"ping": 1500, "unknown": 500} == requests_of(changes)


def test_bytes_are_counted_exactly(server: Server) -> None:
    """What was read and what was written, ends of lines included."""
    requests = b"PING\nBURN 3\r\nSTREAM 70000\nno"
    with counting(server) as changes:
        replies = server.converse(requests)
    assert 5 + 9 + 70_005 == len(replies)
    assert len(requests) == changes["server_bytes_received_total"]
    assert len(replies) == changes["server_bytes_sent_total"]


@pytest.mark.needs(Need.SEVERAL_CLIENTS, Need.CAPACITY)
def test_connections_are_counted(server: Server) -> None:
    """Those there are, those there were, and those refused; never below zero."""
    with counting(server) as changes, ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(3)]
        for client in clients:
            assert b"PONG\n" == client.ask(b"PING")
        for _ in range(2):
            with server.connect() as refused:
                assert b"SERVER_BUSY\n" == refused.read_all()
        assert 3 == server.samples()["server_active_connections"]
        clients[0].close()
        clients[1].reset()
        assert eventually(lambda: server.samples()["server_active_connections"] == 1)
    assert eventually(lambda: server.samples()["server_active_connections"] == 0)
    assert 3 == changes["server_connections_total"]
    rejected = "server_rejected_connections_total{"
    assert 2 == sum(changes[name] for name in changes if name.startswith(rejected))


@pytest.mark.parametrize(
    "said",
    [b"", b"GET /met", b"GET /metrics HTTP/1.1\r\nHost: x\r\n"],
    ids=["nothing", "half a line", "half a request"],
)
def test_silent_scrapers_stop_neither_a_scrape_nor_a_client(server: Server, said: bytes) -> None:
    """Whether they have said nothing or not everything."""
    with ExitStack() as stack:
        began = time.monotonic()
        for _ in range(50):
            stack.enter_context(Client(server.metrics_address)).send(said)
        for _ in range(3):
            assert 200 == server.get()[0]
        assert time.monotonic() - began < 5
        assert b"PONG\n" == server.converse(b"PING\n")


def test_what_is_no_scrape_does_not_hurt(server: Server) -> None:
    """Garbage, a departure in the middle, and a client of the wrong port."""
    for said in (b"PING\n", b"\x00" * 5000, b"GET /metrics HTTP/1.1\r\n", b"GET " + b"x" * 100_000):
        with Client(server.metrics_address) as scraper:
            scraper.send(said)
    assert 200 == server.get()[0]


def test_the_page_may_be_asked_for_some_names(server: Server) -> None:
    """As Prometheus' own clients have it; every model knows who has which."""
    name = "server_requests_total"
    status, page = server.get(f"/metrics?name[]={name}")
    assert 200 == status
    samples = [line for line in page.splitlines() if not line.startswith("#")]
    assert samples
    assert [] == [line for line in samples if not line.startswith(name)]


def test_scrapers_may_come_all_at_once(server: Server) -> None:
    """As many as sixty-four, each with its page."""
    with ThreadPoolExecutor(64) as pool:
        assert {200} == {status for status, _ in pool.map(lambda _: server.get(), range(64))}
