"""What is compared, and in which order; what a command line chooses."""

import shlex
import sys
from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgen.plan import Mix
from loadgen.scenarios import SCENARIOS, Scenario
from variants.compare import choosing
from variants.compare.choosing import Contradiction
from variants.compare.contestants import PORT, Contestant, contestants
from variants.compare.pinning import Cpus
from variants.compare.study import WORKLOADS, Block, Load, Study, Workload

from . import made_up

FOREIGN = Contestant("c", ("./c", PORT), foreign=True)


def choose(*only: str, **given_: object) -> Study:
    """Choose as a command line does that gives no more than this."""
    everything = {
        "targets": (),
        "quick": False,
        "against": None,
        "workloads": None,
        "service": "",
        "cpus": Cpus((0,), (1,)),
        "given": {},
    }
    return choosing.choose(only, **{**everything, **given_})  # type: ignore[arg-type]


def blocks_of(kind: type, blocks: list[Block]) -> list[Block]:
    """Those of one question."""
    return [block for block in blocks if isinstance(block.cell, kind)]


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_every_block_has_everyone_once_and_the_reference_twice(seed: int) -> None:
    """In an order of its own; beside trouble there is no pair."""
    study = choose("threads", "asyncio", "trio", given={"seed": seed})
    blocks = list(study.blocks())
    for block in blocks:
        names = Counter((entry.contestant.name, entry.again) for entry in block.entries)
        expected = {(name, False): 1 for name in ("threads", "asyncio", "trio")}
        pair = {("asyncio", True): 1} if isinstance(block.cell, Load) else {}
        assert {**expected, **pair} == names
    assert study.measurements == sum(len(block.entries) for block in blocks)
    assert blocks == list(study.blocks())  # the same seed is the same order


def test_nobody_has_the_first_place_for_good() -> None:
    """In many blocks each place is everybody's about as often."""
    study = choose("threads", "asyncio", "trio", given={"rounds": 40})
    blocks = blocks_of(Load, list(study.blocks()))
    first = Counter((block.entries[0].contestant.name, block.entries[0].again) for block in blocks)
    assert 4 == len(first)
    assert all(0.8 < count / (len(blocks) / 4) < 1.2 for count in first.values())


def test_each_round_has_each_load_once_in_an_order_of_its_own() -> None:
    """Round by round, after all scenarios."""
    study = choose(given={"rounds": 5, "watch_rounds": 2})
    blocks = list(study.blocks())
    loads = blocks_of(Load, blocks)
    assert blocks == [*blocks_of(Scenario, blocks), *loads]
    rounds = [[block.cell for block in some] for _, some in groupby(loads, lambda b: b.number)]
    assert 5 == len(rounds)
    for some in rounds:
        assert set(study.loads) == set(some)
    assert len({tuple(some) for some in rounds}) > 1
    assert 2 * len(SCENARIOS) == len(blocks_of(Scenario, blocks))


def test_unless_told_otherwise_everything_is_compared() -> None:
    """All of ours who speak the four commands: no chats."""
    study = choose()
    assert set(contestants()) == {one.name for one in study.contestants}
    assert {"uvloop", "anyio-trio", "iterative", "epoll-workers"} <= set(contestants())
    assert not any("chat" in name for name in contestants())
    assert ("asyncio", WORKLOADS) == (study.against, study.workloads)
    assert (1, 10, 100, 1000, 10_000) == study.connections
    assert list(SCENARIOS) == [one.name for one in study.scenarios]


def test_only_these() -> None:
    """Servers, scenarios and questions, each kind by itself."""
    assert [*contestants()] == [one.name for one in choose("matrix").contestants]
    study = choose("trio", "threads")
    assert ["trio", "threads"] == [one.name for one in study.contestants]
    assert "trio" == study.against
    assert study.scenarios
    assert study.loads
    assert not choose("matrix").loads
    assert not choose("scaling").scenarios
    assert ["idle"] == [one.name for one in choose("idle").scenarios]
    assert not choose("idle").loads
    both = choose("idle", "scaling")
    assert both.loads
    assert ["idle"] == [one.name for one in both.scenarios]


def test_a_foreign_server_beside_ours() -> None:
    """Those of a quick comparison, or the ones that are named."""
    names = [one.name for one in choose(targets=[FOREIGN]).contestants]
    assert [*choosing.QUICK_CONTESTANTS, "c"] == names
    assert ["epoll", "c"] == [one.name for one in choose("epoll", targets=[FOREIGN]).contestants]
    assert ["c"] == [one.name for one in choose("c", targets=[FOREIGN]).contestants]


@pytest.mark.parametrize(
    ("only", "given_", "complaint"),
    [
        (["asyncoi"], {}, "asyncoi"),
        (["trio"], {"against": "uvloop"}, "uvloop"),
        (["epoll"], {"targets": [Contestant("epoll", ("x", PORT))]}, "two servers"),
        (["matrix"], {"service": "a:b", "workloads": {"x": Workload(Mix.parse("X"))}}, "scenarios"),
    ],
)
def test_what_cannot_be(only: list[str], given_: dict[str, object], complaint: str) -> None:
    """One line that says what."""
    with pytest.raises(Contradiction, match=complaint):
        choose(*only, **given_)


@pytest.mark.parametrize(
    ("connections", "middle"), [((10, 1000), 10), ((1000, 1, 10), 10), ((7,), 7), ((9, 3, 5, 1), 3)]
)
def test_a_rate_is_one_load(connections: tuple[int, ...], middle: int) -> None:
    """Beside closed loops with each number of connections, however these are given."""
    for study in (choose(quick=True, given={"connections": connections}),
                  choose(given={"connections": connections})):  # fmt: skip
        assert [Load("paced", middle)] == [one for one in study.loads if one.workload == "paced"]
        assert [Load("ping", n) for n in connections] == [one for one in study.loads
                                                          if one.workload == "ping"]  # fmt: skip


def test_a_quick_comparison_has_a_rate_that_no_generator_is_saturated_by() -> None:
    """Beside the closed loop; of it a report says which rate it was."""
    study = choose(quick=True)
    assert ["ping", "paced"] == list(study.workloads)
    assert 0 < study.workloads["paced"].rate <= 2000
    assert {"ping": "PING", "paced": "PING at 2000/s"} == study.as_json()["workloads"]


def test_a_service_of_ones_own_has_no_matrix() -> None:
    """And every server of ours serves it."""
    study = choose(
        service="examples.greeter:service", workloads={"x": Workload(Mix.parse("GREET a"))}
    )
    assert not study.scenarios
    for one in study.contestants:
        assert ("--service", "examples.greeter:service") == one.command[-2:]


def test_commands_have_the_port_in_them_and_no_path_of_ours() -> None:
    """As they are told in a report."""
    ours = contestants()["epoll"]
    assert "8123" in ours.on_port(8123)
    assert sys.executable == ours.command[0]
    told = shlex.split(str(ours.as_json()["command"]))
    assert ["python", "-m", "variants", "epoll"] == told[:4]


def test_a_foreign_command() -> None:
    """As a shell splits it."""
    one = Contestant.parse("my server=./a b 'c d' --port={port}")
    assert Contestant("my server", ("./a", "b", "c d", "--port={port}"), foreign=True) == one
    assert ["./a", "b", "c d", "--port=9"] == one.on_port(9)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("./server {port}", "NAME=COMMAND"),
        ("x=", "NAME=COMMAND"),
        ("=./x {port}", "NAME=COMMAND"),
        ("x=./server", "where the port goes"),
        ("x=./server 'a {port}", "no command line"),
    ],
)
def test_what_is_no_foreign_command(text: str, complaint: str) -> None:
    """Told before anything is measured."""
    with pytest.raises(ValueError, match=complaint):
        Contestant.parse(text)


@pytest.mark.parametrize("text", ["0", "0:", ":1", "0:0", "0-1:1", "0:99999", "a:b", "0:1:2"])
def test_cpus_that_cannot_be(text: str) -> None:
    """Server and load have none in common, and all are there."""
    with pytest.raises(ValueError, match="CPU"):
        Cpus.parse(text)


def test_a_study_as_it_is_told() -> None:
    """All that there is to do it again."""
    told = made_up.study().as_json()
    assert {"ping": "PING", "mix": str(WORKLOADS["mix"])} == told["workloads"]
    assert made_up.HOSTILE == told["contestants"][-1]["name"]
    assert 0 == told["seed"]
