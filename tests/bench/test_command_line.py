"""What ``python -m bench`` is asked for, and the plan that comes of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import bench.__main__ as command_line
from bench.plan import FIGURES, WORKERS, Plan
from bench.targets import LOOPS, NESTED, VARIANTS

Ask = Callable[..., Plan]

DEFAULT_LOOPS = ["uvloop", "asyncio", "trio"]


def invoke(*args: str) -> Result:
    """Call the command."""
    return CliRunner().invoke(command_line.main, args)


@pytest.fixture
def plan_for(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Calls the command, which measures nothing, and returns its plan."""
    plans: list[Plan] = []

    def measure(plan: Plan, _json_file: Path | None) -> None:
        plans.append(plan)

    def ask(*args: str) -> Plan:
        result = invoke(*args)
        assert not result.exit_code, result.output
        return plans.pop()

    monkeypatch.setattr(command_line, "measure", measure)
    return ask


def test_our_loops_are_measured_by_default(plan_for: Ask) -> None:
    """With every figure but the one that is about a contrast server."""
    plan = plan_for()
    assert DEFAULT_LOOPS == list(plan.commands)
    assert [figure for figure in FIGURES if figure != WORKERS] == list(plan.figures)


def test_variants_stand_beside_the_loops(plan_for: Ask) -> None:
    """And bring the figure of the workers with them."""
    plan = plan_for("--variants", "epoll,coro")
    assert [*DEFAULT_LOOPS, "epoll", "coro"] == list(plan.commands)
    assert list(FIGURES) == list(plan.figures)


@pytest.mark.parametrize("none", ["", "none"])
def test_variants_are_measured_alone(plan_for: Ask, none: str) -> None:
    """Where no loop is asked for."""
    assert ["epoll"] == list(plan_for("--loops", none, "--variants", "epoll").commands)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in NESTED])
def test_a_variant_is_started_as_anybody_would(plan_for: Ask, name: str) -> None:
    """By the name it has on its own command line; on a port that is then found."""
    command = plan_for("--loops", "", "--variants", name).commands[name]
    assert ["-m", "variants", name, "--port", "{port}", "--metrics-port", "0"] == command[1:]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
def test_a_variant_on_several_loops_has_a_name_for_each(plan_for: Ask, loop: str) -> None:
    """It is started with the loop that its name says."""
    name = f"nested-{loop}"
    command = plan_for("--loops", "", "--variants", name).commands[name]
    assert ["-m", "variants", "nested", "--loop", loop, "--port", "{port}"] == list(command[1:8])


def test_our_loops_have_a_bare_protocol_beside_them(plan_for: Ask) -> None:
    """Those that are measured, and nothing else has."""
    plan = plan_for("--loops", "trio,anyio-uvloop", "--variants", "epoll", "--", "./server")
    assert ["trio", "anyio-uvloop"] == list(plan.bare)
    for loop, command in plan.bare.items():
        assert ["-m", "bench.bare", loop, "{port}"] == list(command[1:])


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_is_started_as_anybody_would(plan_for: Ask, loop: str) -> None:
    """By the name it has on the command line of the server."""
    command = plan_for("--loops", loop).commands[loop]
    assert ["-m", "dumb_async", "--loop", loop] == list(command[1:5])


def test_a_foreign_server_is_measured_alone(plan_for: Ask) -> None:
    """Unless loops or variants are asked for too."""
    assert {"foreign": ("./server", "{port}")} == plan_for("--", "./server", "{port}").commands
    both = plan_for("--variants", "epoll", "--", "./server", "{port}")
    assert ["epoll", "foreign"] == list(both.commands)
    all_three = plan_for("--loops", "trio", "--variants", "epoll", "--", "./server", "{port}")
    assert ["trio", "epoll", "foreign"] == list(all_three.commands)


def test_the_workers_alone_need_no_other_server(plan_for: Ask) -> None:
    """Their figure knows what to start."""
    plan = plan_for("--loops", "none", "--only", "workers")
    assert ({}, ["workers"]) == (plan.commands, plan.figures)


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (("--loops", ""), "nothing to measure"),
        (("--loops", "", "--only", "ping50"), "nothing to measure"),
        (("--loops", "twisted"), "'twisted' is none of uvloop"),
        (("--variants", "epoll,poll"), "'poll' is none of iterative"),
        (("--variants", "epoll-chat"), "'epoll-chat' is none of"),
        (("--only", "ping50,ping7"), "'ping7' is none of ping50"),
        (("--rounds", "0"), "--rounds"),
    ],
)
def test_what_cannot_be_measured_is_refused(args: tuple[str, ...], complaint: str) -> None:
    """At once, as a mistake in usage."""
    result = invoke(*args)
    assert 2 == result.exit_code
    assert complaint in result.output


def test_the_figures_are_measured_in_their_order() -> None:
    """Of the ratios to the floor those that are asked for, each with as many clients as it says."""
    works = Plan({}, ("stream", "ping1000", "ping50"), seconds=0.5).works("./load")
    assert [("ping50", 50), ("ping1000", 1000), ("stream", 1)] == [
        (figure, work.connections) for figure, work in works.items()
    ]
