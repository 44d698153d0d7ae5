"""What follows from a plan in time: to the instant, of an engine whose clock is given."""

import math
from collections.abc import Callable
from itertools import islice

import pytest

from loadgen.counts import Cause, Fault, Phase
from loadgen.engine import Options
from loadgen.engine.client import GOLDEN
from loadgen.engine.engine import LOOK
from loadgen.plan import Plan, Profile, Think

from .conftest import Planned
from .simulated import Connection, Simulation, gaps, seconds_of

#: When a server stood still.
STOPPED, WENT_ON = 0.25, 0.75
#: When what was asked at 0 is given up after half a second: that is looked for at times.
GIVEN_UP = 0.5

Simulate = Callable[..., Simulation]


@pytest.fixture
def simulate(monkeypatch: pytest.MonkeyPatch) -> Simulate:
    """Give the engine's clock and its server."""
    return lambda **server: Simulation(monkeypatch, **server)


def clients(count: int) -> Profile:
    """So many clients, all the time."""
    return Profile.constant(count, 1)


def standing_still(at: float, _: int) -> float:
    """When a server that stands still in between answers what is asked ``at`` an instant."""
    return WENT_ON if STOPPED <= at < WENT_ON else at


def test_a_server_that_stands_still(simulate: Simulate) -> None:
    """It shows in response times of an open loop, and neither in its lag nor, much, in service.

    Of ten requests a second that of 0.3 s is under way while it stands still; those of 0.4 s to
    0.7 s wait for it.
    """
    plan = Plan(rate=Profile.constant(10, 1), seconds=1.0)
    tally = simulate(answered=standing_still).run(plan).tally

    assert (10, 10, 10) == (tally.planned, tally.sent, tally.replies)
    assert [0, 0, 0, 0, 0, 0.05, 0.15, 0.25, 0.35, 0.45] == seconds_of(tally.response)
    assert [0] * 9 + [0.45] == seconds_of(tally.service)
    assert [0] * 10 == seconds_of(tally.lag)


def test_in_a_closed_loop_who_waits_asks_less(simulate: Simulate) -> None:
    """So a server that stands still is seen by one request of each client."""
    plan = Plan(clients=clients(2), seconds=1.0, think=Think(0.1))
    tally = simulate(answered=standing_still).run(plan).tally

    long = [WENT_ON - 0.3, WENT_ON - 0.2 - 0.1 * GOLDEN]
    assert [0] * 9 + long == seconds_of(tally.response)
    assert [0] * 9 + long == seconds_of(tally.service)
    assert [0] * 11 == seconds_of(tally.lag)


def test_a_generator_that_stands_still(simulate: Simulate) -> None:
    """It shows in its lag, and in response times, since that is whom requests waited for."""
    simulation = simulate()
    simulation.stall(0.35, 0.1)
    tally = simulation.run(Plan(rate=Profile.constant(10, 1), seconds=1.0)).tally

    assert [0] * 9 + [0.05] == seconds_of(tally.lag)
    assert [0] * 9 + [0.05] == seconds_of(tally.response)
    assert [0] * 10 == seconds_of(tally.service)


def test_a_thinking_generator_that_stands_still(simulate: Simulate) -> None:
    """It shows in the lag of a closed loop, too."""
    simulation = simulate()
    simulation.stall(0.35, 0.1)
    tally = simulation.run(Plan(seconds=0.9, think=Think(0.1))).tally

    assert [0] * 8 + [0.05] == seconds_of(tally.lag)


def test_who_stays_is_given_up_in_time(simulate: Simulate) -> None:
    """By those whom a server for one client never gets to: the first does not leave before."""
    simulation = simulate(answered=lambda at, number: at + 0.01 if number == 0 else math.inf)
    plan = Plan(seconds=0.095, clients=clients(3))
    tally = simulation.run(plan, Options(timeout=0.5, stay=True)).tally

    assert (10, 2) == (tally.replies, tally.never_served)
    assert {Fault(Phase.READ, Cause.TIMEOUT): 2} == +tally.lost_requests == +tally.lost_connections
    assert [GIVEN_UP] == simulation.went
    assert [0.01] * 10 + [GIVEN_UP] * 2 == seconds_of(tally.response)
    assert [GIVEN_UP] * 2 == seconds_of(tally.at_least)


def test_more_than_may_be_in_flight(simulate: Simulate) -> None:
    """Above --max-inflight a request is not sent; who has waited too long is given up."""
    simulation = simulate(answered=lambda *_: math.inf)
    plan = Plan(rate=Profile.constant(200, 0.2), seconds=0.2)
    tally = simulation.run(plan, Options(timeout=0.3, max_inflight=10)).tally

    assert (40, 1, 10) == (tally.planned, tally.sent, tally.at_least.total)
    assert {
        Fault(Phase.WRITE, Cause.OVERLOAD): 30,
        Fault(Phase.WRITE, Cause.TIMEOUT): 9,
        Fault(Phase.READ, Cause.TIMEOUT): 1,
    } == tally.lost_requests


def babble(connection: Connection) -> None:
    """Say something again and again."""

    def say() -> None:
        connection.say(b"and another thing\n")
        babble(connection)

    connection.later(0.02, say)


@pytest.mark.parametrize("ended", [lambda _: None, babble], ids=["silent", "babbling"])
def test_a_server_that_does_not_close(
    simulate: Simulate, ended: Callable[[Connection], object]
) -> None:
    """After our end of input it is waited for as long as for a reply, whatever it says."""
    simulation = simulate(ended=ended)
    tally = simulation.run(Plan(requests=1, seconds=None), Options(timeout=0.5)).tally

    assert {Fault(Phase.CLOSE, Cause.TIMEOUT): 1} == tally.lost_connections
    assert (1, 0) == (tally.replies, tally.lost_requests.total())
    assert 0.5 <= simulation.now <= 0.5 + 2 * LOOK


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("-c", "8", "--ramp", "400ms", "-d", "500ms"), id="ramp"),
        pytest.param(("-c", "8", "--connect-rate", "20", "-d", "500ms"), id="connect-rate"),
        pytest.param(("--stages", "400ms:0-8,100ms:8"), id="stages"),
    ],
)
def test_clients_come_one_after_the_other(
    planned: Planned, simulate: Simulate, words: tuple[str, ...]
) -> None:
    """Eight clients in 0.4 s: each a twentieth of a second after the one before."""
    simulation = simulate()
    simulation.run(planned("run", "127.0.0.1:9", *words, "--think", "10ms").plan)

    assert pytest.approx([number / 20 for number in range(8)]) == simulation.came
    assert pytest.approx([0.5] * 8) == simulation.went


def test_clients_go_again(simulate: Simulate) -> None:
    """Where stages go down, clients leave one after the other, and no reply is lost."""
    stages = Profile.parse("100ms:6,200ms:6-0,100ms:0")
    simulation = simulate()
    plan = Plan(clients=stages, seconds=stages.seconds, think=Think(0.005))
    tally = simulation.run(plan).tally

    assert [0.0] * 6 == simulation.came
    assert pytest.approx([0.1 + number / 30 for number in range(1, 7)]) == simulation.went
    assert tally.sent == tally.replies == sum(map(len, simulation.asked))
    assert not tally.lost_connections


def test_clients_think(simulate: Simulate) -> None:
    """Between two requests of a client is its time to think; they do not begin in step."""
    simulation = simulate()
    tally = simulation.run(Plan(clients=clients(3), seconds=0.5, think=Think(0.1))).tally

    phases = [number * GOLDEN % 1 for number in range(3)]
    assert 3 == len({round(phase, 2) for phase in phases})
    assert pytest.approx([0.1 * phase for phase in phases]) == [
        instants[0] for instants in simulation.asked
    ]
    between = [gap for instants in simulation.asked for gap in gaps(instants)]
    assert pytest.approx([0.1] * len(between)) == between
    assert 3 + len(between) == tally.sent == tally.lag.total


def test_clients_think_for_different_times(simulate: Simulate) -> None:
    """With ``exp:`` each pause is that of the plan: some are far below the mean, others above."""
    simulation, think = simulate(), Think(0.02, True)
    simulation.run(Plan(clients=clients(5), requests=60, seconds=None, think=think))

    for number, instants in enumerate(simulation.asked):
        pause = think.of(number, 0)
        pause()  # before its first request
        assert pytest.approx(list(islice(iter(pause, None), len(instants) - 1))) == gaps(instants)
    between = [gap for instants in simulation.asked for gap in gaps(instants)]
    assert min(between) < 0.005
    assert max(between) > 0.06


@pytest.mark.parametrize(
    ("rate", "think", "warm"),
    [
        pytest.param(None, Think(0.01), 2 * 20, id="closed"),
        pytest.param(Profile.constant(100, 1), Think(), 20, id="open"),
    ],
)
def test_a_warm_up_is_not_counted(
    simulate: Simulate, rate: Profile | None, think: Think, warm: int
) -> None:
    """It is what the load is, for its time, on the same connections."""
    simulation = simulate()
    plan = Plan(clients=clients(2), rate=rate, requests=20, seconds=1.0, think=think)
    tally = simulation.run(plan, Options(warmup=0.2)).tally

    asked = sorted(instant for instants in simulation.asked for instant in instants)
    assert 20 == tally.sent == tally.replies
    assert warm + 20 == len(asked)
    assert asked[-21] < 0.2 <= asked[-20]
    assert [0.0, 0.0] == simulation.came
