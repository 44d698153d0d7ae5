"""``selftest``, the null server it needs, and agents that nobody listens to."""

import json
import os
import pickle
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from loadgen.agents import Crew, Job
from loadgen.ceiling import Scales
from loadgen.counts import Commanded, Tally
from loadgen.engine import Options, Target
from loadgen.null_server import MOST, NullServer
from loadgen.plan import Mix, Plan, Profile

from ..conformance.client import eventually
from ..conformance.process import Server
from .conftest import PATIENCE
from .faulty import Faulty, Recorder
from .test_search_commands import loadgen


@pytest.fixture
def null_server() -> Iterator[NullServer]:
    """One that ends with the test."""
    with NullServer() as server:
        yield server


def connect(server: NullServer) -> socket.socket:
    """A connection that does not wait for ever."""
    return socket.create_connection((server.target.host, server.target.port), PATIENCE)


def test_the_null_server_answers_as_many_as_were_asked(null_server: NullServer) -> None:
    """Also all that fit into one read of it."""
    for count in (1, 2, MOST):
        with closing(connect(null_server)) as client, client.makefile("rb") as replies:
            client.sendall(b"PING\n" * count)
            assert b"PONG\n" * count == replies.read(5 * count)
    assert null_server.busy_s > 0


def test_the_null_server_closes_on_who_says_anything_else(null_server: NullServer) -> None:
    """And goes on to serve others."""
    for request in (b"WAIT 1\n", b""):
        with closing(connect(null_server)) as client:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            assert b"" == client.recv(10)
    with closing(connect(null_server)) as client:
        client.sendall(b"PING\n")
        assert b"PONG\n" == client.recv(10)


def test_the_null_server_ends_with_its_block() -> None:
    """Whatever clients it still has."""
    with NullServer(sorted(os.sched_getaffinity(0))[:1]) as server:
        client = connect(server)
        pid = server.pid
    with client:
        assert not Path(f"/proc/{pid}").exists()


def test_every_part_is_measured() -> None:
    """Each has its figures, who was busy, and its whole result: what they are, a machine says."""
    ended = loadgen("selftest", "-d", "300ms", "-o", "json")
    answer: Any = json.loads(ended.stdout)
    assert "dumb_async.loadgen.selftest/1" == answer["schema"]
    parts = answer["parts"]
    assert [
        ("closed loop", ["requests_per_s"]),
        ("pipeline 16", ["requests_per_s"]),
        ("connecting", ["connects_per_s"]),
        ("1,000 clients", ["memory_bytes_each"]),
        ("open loop", ["planned_per_s", "requests_per_s", "lag_p99_s"]),
    ] == [(part["name"], list(part["figures"])) for part in parts]
    for part in parts:
        assert all(value >= 0 for value in part["figures"].values()), part["figures"]
        assert 0 <= part["generator_cpu"] <= 1
        assert 0 <= part["server_cpu"] <= 1
        assert part["bottleneck"] in {"generator", "null server", "neither"}
        assert "dumb_async.loadgen.result/1" == part["result"]["schema"]
        assert part["name"] in ended.stderr
    assert (0 if all(part["result"]["requests"] for part in parts) else 1) == ended.returncode
    assert 1000 == parts[3]["result"]["connections"]["made"]
    assert 6000 == parts[4]["result"]["planned"]
    if len(os.sched_getaffinity(0)) > 1:
        assert answer["cpus"]["generator"] != answer["cpus"]["server"]


def test_connections_are_weighed_against_the_first() -> None:
    """What many take more than one, by their number; what was before or after does not count."""
    scales = Scales(os.getpid())
    assert 0.0 == scales.each
    scales.weights = [(0, 900), (1, 1000), (11, 1500), (101, 5900), (101, 6000), (1, 9000)]
    assert 50.0 == scales.each
    scales.weights = [(1, 1000), (1, 1100)]
    assert 0.0 == scales.each


def test_scales_weigh_agents_alone(null_server: NullServer) -> None:
    """The null server is a process of ours, too, and none of them."""
    scales = Scales(null_server.pid)
    scales.update(Tally(connected=3), None)
    assert [] == scales.weights


def test_an_agent_that_nobody_listens_to_goes_on() -> None:
    """It tells more than its pipe has room for, and is not kept from its plan by that."""
    recorder = Recorder()
    plan = Plan(rate=Profile.constant(50, 2), seconds=2)
    with Faulty(recorder) as server:
        job = Job(plan, Target(*server.address), Options(), report_every=0.001)
        with Crew(job) as crew:
            while not crew.ready:
                crew.listen(0.1)
            crew.go()
            assert eventually(lambda: 100 == recorder.asked[b"PING"])
            assert 100 == end_of(crew).replies


def test_reports_that_no_pipe_has_room_for_arrive(serve: Callable[..., Server]) -> None:
    """What is counted of thousands of requests is told whole, while it runs and in the end."""
    requests = tuple(b"BURN %d" % number for number in range(3000))
    plan = Plan(Mix(requests, (1.0,) * len(requests)), requests=300, seconds=None)
    job = Job(plan, Target(*serve().address), Options(), report_every=0.2)
    assert len(pickle.dumps({request: Commanded() for request in requests})) > 200_000
    with Crew(job) as crew:
        while not crew.ready:
            crew.listen(0.1)
        crew.go()
        assert 300 == end_of(crew).replies


def end_of(crew: Crew) -> Tally:
    """Listen until all are over, and return what they have counted."""
    deadline = time.monotonic() + PATIENCE
    while not crew.over and time.monotonic() < deadline:
        crew.listen(0.1)
    assert crew.over
    assert [] == crew.failures
    return crew.tally
