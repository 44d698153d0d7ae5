"""What a server sees of a plan: as many requests, clients and pauses as it says."""

import asyncio
import socket
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from loadgen.agents.agent import resolve
from loadgen.engine import Options, Target
from loadgen.plan import Arrivals, Mix, Plan, Profile, Share, Think

from . import faulty
from .conftest import Drive, Finished
from .faulty import Faulty, Recorder

Run = Callable[..., Finished]

MIX = "PING=3,WAIT 0=1,BURN 3=2,STREAM 4=1"
#: Of exact instants: what is rounded away, in seconds.
A_TICK = 0.002


def clients(count: int) -> Profile:
    """So many clients, all the time."""
    return Profile.constant(count, 1)


@pytest.mark.parametrize(
    "loop",
    [
        pytest.param({}, id="closed"),
        pytest.param({"pipeline": 7}, id="pipelined"),
        pytest.param({"think": Think(0.001)}, id="thinking"),
        pytest.param({"rate": Profile.constant(2000, 1)}, id="open"),
        pytest.param(
            {"rate": Profile.constant(2000, 1), "arrivals": Arrivals.POISSON}, id="poisson"
        ),
    ],
)
def test_requests_are_those_of_the_seed(drive: Drive, loop: dict[str, object]) -> None:
    """Their number is exact; the same seed gives the same, another one gives others."""
    asked = []
    for seed in (1, 1, 2):
        plan = Plan(
            Mix.parse(MIX), clients(5), requests=203, seconds=1.0 if "rate" in loop else None,
            seed=seed, **loop,  # type: ignore[arg-type]
        )  # fmt: skip
        recorder = Recorder()
        with Faulty(recorder) as server:
            engine = drive(server.address, plan)
        asked.append(recorder.asked)
        assert 203 == recorder.asked.total() == engine.tally.sent == engine.tally.replies

    assert asked[0] == asked[1] != asked[2]


def test_shares_add_up_to_the_plan(drive: Drive, run: Run) -> None:
    """Agents on many machines, and their workers, send together what one alone would."""
    words = ("-n", "101", "-c", "7", "--mix", MIX, "--seed", "5", "-q", "-o", "json")
    together, alone = Recorder(), Recorder()
    with Faulty(together) as server:
        sent = [
            run(server.target, *words, "--share", "0/2", "--workers", "2").json["sent"],
            run(server.target, *words, "--share", "1/2").json["sent"],
        ]
        assert 7 == len(server.accepted)
    with Faulty(alone) as server:
        drive(server.address, Plan(Mix.parse(MIX), clients(7), requests=101, seconds=None, seed=5))

    assert [51, 50] == sent
    assert alone.asked == together.asked


def test_a_share_of_nothing(run: Run) -> None:
    """Who has no request to send is shown as well, as long as its connections last."""
    with Faulty(faulty.lingering) as server:
        words = ("-n", "1", "-c", "2", "--share", "1/2", "--timeout", "1.5s", "-o", "json")
        finished = run(server.target, *words)

    assert 0 == finished.json["requests"]
    assert {"close: timeout": {"requests": 0, "connections": 1}} == finished.faults
    assert "1 connected" in finished.stderr


def test_shares_of_a_schedule(drive: Drive) -> None:
    """So it is in an open loop, whose stages end where they say."""
    rate = Profile.parse("100ms:0-1k,100ms:1k/s")
    together, alone = Recorder(), Recorder()
    plan = Plan(Mix.parse(MIX), clients(4), rate, seconds=rate.seconds, seed=9)
    for index in range(3):
        with Faulty(together) as server:
            drive(server.address, plan.part(Share(index, 3)))
    with Faulty(alone) as server:
        assert 150 == drive(server.address, plan).tally.planned

    assert alone.asked == together.asked


def test_reconnecting(drive: Drive) -> None:
    """With --reconnect-every a connection has so many requests and no more; none is lost."""
    recorder = Recorder()
    with Faulty(recorder) as server:
        plan = Plan(clients=clients(2), requests=24, pipeline=2, seconds=None)
        tally = drive(server.address, plan, Options(reconnect_every=3)).tally

    assert 24 == tally.replies
    assert 3 == max(len(instants) for instants in recorder.instants)
    assert 8 <= len(recorder.instants) <= 9  # two clients share what is left at the end
    assert tally.connections == len(server.accepted)
    assert not tally.lost_connections


def test_idle_connections(drive: Drive) -> None:
    """They are there beside the clients, and nothing is said on them."""
    recorder = Recorder()
    with Faulty(recorder) as server:
        plan = Plan(clients=clients(2), requests=20, seconds=None)
        tally = drive(server.address, plan, Options(idle=5)).tally
        assert 7 == len(server.accepted)

    assert 20 == tally.replies
    assert 2 >= len(recorder.instants)
    assert not tally.lost_connections


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--ramp", "400ms", "-d", "500ms"), id="ramp"),
        pytest.param(("--connect-rate", "20", "-d", "500ms"), id="connect-rate"),
        pytest.param(("--stages", "400ms:0-8,100ms:8"), id="stages"),
    ],
)
def test_clients_come_one_after_the_other(run: Run, words: tuple[str, ...]) -> None:
    """All of them, and all are served: when they come, see the simulated ones."""
    recorder = Recorder()
    with Faulty(recorder) as server:
        counts = () if "--stages" in words else ("-c", "8")
        result = run(server.target, *words, *counts, "--think", "10ms", "-o", "json", "-q").json

    assert {"clients": 8, "made": 8, "never_served": 0} == result["connections"]
    assert 8 == len(server.accepted)
    assert result["requests"] == recorder.asked.total()


def test_clients_go_again(drive: Drive) -> None:
    """Where stages go down, clients leave in good order, and no reply is lost."""
    recorder = Recorder()
    stages = Profile.parse("100ms:6,200ms:6-0,100ms:0")
    plan = Plan(clients=stages, seconds=stages.seconds, think=Think(0.005))
    with Faulty(recorder) as server:
        tally = drive(server.address, plan).tally

    assert (6, 0) == (len(server.accepted), tally.connected)
    assert tally.sent == tally.replies == recorder.asked.total()
    assert not tally.lost_connections


def test_clients_think(drive: Drive) -> None:
    """Between two requests of a client there is at least its time to think."""
    recorder = Recorder()
    with Faulty(recorder) as server:
        plan = Plan(clients=clients(3), requests=12, seconds=None, think=Think(0.1))
        tally = drive(server.address, plan).tally

    gaps = [b - a for instants in recorder.instants for a, b in pairwise(instants)]
    assert min(gaps) >= 0.1 - A_TICK
    assert 12 == tally.sent == recorder.asked.total()


@pytest.mark.parametrize("rate", [None, Profile.constant(100, 1)], ids=["closed", "open"])
def test_a_warm_up_is_not_counted(drive: Drive, rate: Profile | None) -> None:
    """It is on the same connections; how much of it there is, see the simulated ones."""
    recorder = Recorder()
    with Faulty(recorder) as server:
        think = Think() if rate else Think(0.01)
        plan = Plan(clients=clients(2), rate=rate, requests=20, seconds=1.0, think=think)
        tally = drive(server.address, plan, Options(warmup=0.2)).tally

    assert 20 == tally.sent == tally.replies == tally.response.total == tally.service.total
    assert 20 <= recorder.asked.total() <= 20 + 60
    assert 2 == tally.connections == len(server.accepted)


@pytest.mark.parametrize("host", ["localhost", "", "0.0.0.0"])
def test_a_name(run: Run, host: str) -> None:
    """A host may be given by its name, or as the server that listens on it was given it."""
    recorder = Recorder()
    with Faulty(recorder) as server:
        finished = run(f"{host}:{server.address[1]}", "-n", "3", "-c", "1", "-q", "-o", "json")

    assert 3 == finished.json["requests"], finished.stderr
    assert 3 == recorder.asked.total()


def test_a_name_that_has_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that can be connected to is taken; where none can be, the last."""
    with Faulty(faulty.lavish) as gone:
        pass

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        """A resolver that knows a name with these addresses."""
        if host != "several.invalid":
            return known(host, *args, **options)
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, address) for address in addresses]

    known = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with Faulty(faulty.lavish) as server, asyncio.Runner() as runner:
        loop, target = runner.get_loop(), Target("several.invalid", 80)
        addresses = [gone.address, server.address, gone.address]
        first = runner.run(resolve(loop, target))
        addresses = [gone.address, gone.address]
        last = runner.run(resolve(loop, target))

    assert (socket.AF_INET, server.address) == first
    assert (socket.AF_INET, gone.address) == last
