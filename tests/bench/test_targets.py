"""What each server is to reach."""

import pytest

import variants
from bench import targets
from bench.bystander import SCENARIOS
from bench.machine import BenchError
from bench.plan import PINGS, WORKS
from dumb_async.runtimes import NAMES
from variants import select_


def test_every_server_of_the_project_is_known() -> None:
    """The loops, and the variants with our commands: all but the chats."""
    assert set(NAMES) == set(targets.LOOPS)
    talkers = {name for name in variants.NAMES if not name.endswith("-chat")}
    measured = {"nested" if name in targets.NESTED else name for name in targets.VARIANTS}
    assert talkers | {"nested"} == measured


def test_targets_are_for_servers_that_there_are() -> None:
    """A name that is misspelt would have no target."""
    known = {targets.FLOOR, targets.FOREIGN, *targets.LOOPS, *targets.VARIANTS}
    by_figure = (*targets.RATIOS.values(), *targets.OF_BARE.values())
    others = (targets.IDLE_BYTES, targets.INTAKE_S, targets.READY_S, targets.P99_MS)
    by_server = (*by_figure, *others)
    for named in by_server:
        assert set(named) <= known
    assert set(targets.MOST_CLIENTS) <= known
    assert list(WORKS) == list(targets.RATIOS)
    assert set(targets.OF_BARE) <= set(PINGS)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (targets.RATIOS["ping50"], (0.75, 0.65, 0.38)),
        (targets.RATIOS["ping1000"], (0.65, 0.55, 0.38)),
        (targets.RATIOS["pipeline64"], (0.60, 0.55, 0.38)),
        (targets.RATIOS["stream"], (1.5, 1.5, 1.5)),
        (targets.OF_BARE["ping50"], (0.88, 0.88, 0.88)),
        (targets.IDLE_BYTES, (4096, 4096, 4096)),
        (targets.INTAKE_S, (2.0, 2.0, 2.0)),
        (targets.P99_MS, (5.0, 5.0, 5.0)),
    ],
)
def test_the_figures_of_our_loops(
    measured: dict[str, float], expected: tuple[float, float, float]
) -> None:
    """Of uvloop, asyncio and trio; with anyio between they are shown and not judged."""
    of_ours = {name: measured[name] for name in targets.LOOPS if name in measured}
    assert dict(zip(("uvloop", "asyncio", "trio"), expected, strict=True)) == of_ours


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        ("ping50", {"epoll": 0.70, "reactor": 0.65, "coro": 0.60, "threads": 0.45}),
        ("ping1000", {"epoll": 0.70, "reactor": 0.65, "coro": 0.60}),
        ("pipeline64", {}),
        ("stream", {}),
    ],
)
def test_the_ratios_of_the_variants(figure: str, expected: dict[str, float]) -> None:
    """As they were asked for; a model that is not named is shown and not judged."""
    ratios = targets.RATIOS[figure]
    assert expected == {name: ratios[name] for name in targets.VARIANTS if name in ratios}


def test_the_other_figures_of_the_variants() -> None:
    """As they were asked for."""
    assert 2048 == targets.IDLE_BYTES["epoll"]
    judged = {name for name in targets.VARIANTS if name in targets.P99_MS}
    assert {"epoll", "reactor", "coro"} == judged
    assert {5.0} == set(targets.P99_MS.values())
    assert 1.6 == targets.SPEEDUP


def test_the_limit_of_select_is_its_own() -> None:
    """What the variant keeps free of the 1,024 descriptors, it says itself."""
    assert select_.FD_SETSIZE - select_.RESERVED == targets.MOST_CLIENTS["select"]


@pytest.mark.parametrize(("server", "most"), [("iterative", 1), ("select", 924)])
def test_a_model_is_not_asked_for_more_than_it_has(server: str, most: int) -> None:
    """The text says why it was not measured."""
    targets.check_room(server, most)
    with pytest.raises(BenchError, match=f"its model serves {most}"):
        targets.check_room(server, most + 1)


@pytest.mark.parametrize("server", ["uvloop", "threads", "epoll", "foreign"])
def test_others_are_asked_for_anything(server: str) -> None:
    """Where they break is then measured."""
    targets.check_room(server, 9_000)


def test_scenarios_that_a_model_has_no_room_for() -> None:
    """The bystander is one client too."""

    def played_with(server: str) -> list[str]:
        return [
            name
            for name, kind in SCENARIOS.items()
            if kind.clients + 1 <= targets.MOST_CLIENTS[server]
        ]

    assert ["nothing else"] == played_with("iterative")
    assert {"1000 WAITs", "5000 idle"} == set(SCENARIOS) - set(played_with("select"))
