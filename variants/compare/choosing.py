"""From the words of a command line to a study."""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from loadgen.scenarios import SCENARIOS, Scenario

from .. import NAMES, module_of
from .contestants import Contestant, contestants
from .pinning import Cpus
from .study import WORKLOADS, Study, Workload

#: The questions, as `--only` takes them.
MATRIX, SCALING = "matrix", "scaling"
#: What a comparison of two minutes has.
QUICK_CONTESTANTS: Final = ("asyncio", "uvloop", "trio", "iterative", "threads", "epoll")
QUICK_SCENARIOS: Final = ("nothing", "long-wait", "pipelining", "big-burn")
QUICK: Final[Mapping[str, Any]] = {
    "connections": (10, 1000),
    "workloads": {name: WORKLOADS[name] for name in ("ping", "paced")},
    "seconds": 0.3,
    "watch_seconds": 0.5,
    "timeout": 1.0,
}


class Contradiction(ValueError):
    """What was asked for cannot be; the text says why, in one line."""


def choose(
    only: Iterable[str],
    targets: Sequence[Contestant],
    *,
    quick: bool,
    against: str | None,
    workloads: Mapping[str, Workload] | None,
    service: str,
    cpus: Cpus | None,
    given: Mapping[str, Any],
) -> Study:
    """Return the study that is asked for.

    :param only: names of contestants, scenarios and questions, see `names`; of what kind there
        is none, all are chosen.
    :param targets: further contestants; with them and no others named, our own are those of
        a quick comparison.
    :param given: fields of `Study` as they were given; ``None``: not at all.
    :raises Contradiction: if it cannot be.
    """
    wanted = list(dict.fromkeys(only))
    known_names = {*names(), *(one.name for one in targets)}
    if unknown := [name for name in wanted if name not in known_names]:
        raise Contradiction(f"there is no {unknown[0]!r}: --list says what there is")
    chosen = _contestants(wanted, targets, quick=quick, service=service)
    if against is not None and against not in {one.name for one in chosen}:
        raise Contradiction(f"{against!r} is not among those that are compared")
    known = {name: value for name, value in given.items() if value is not None}
    study = Study(
        contestants=tuple(chosen),
        against=against or _reference(chosen),
        cpus=cpus or _cpus(),
        scenarios=_scenarios(wanted, quick=quick, service=service),
        service=service,
        **{**_defaults(workloads, quick=quick), **known},
    )
    return _narrowed(study, wanted)


def names() -> dict[str, str]:
    """All that `--only` takes, with what it is."""
    return {
        MATRIX: "question: who stays responsive?",
        SCALING: "question: who scales, and is the difference real?",
        **{name: f"server: {_summary(name)}" for name in contestants()},
        **{one.name: f"scenario: {one.title}" for one in SCENARIOS.values()},
    }


def _summary(name: str) -> str:
    if name.startswith("nested-"):
        return f"the epoll of `epoll`, inside {name.removeprefix('nested-')}'s loop"
    if name not in NAMES:
        return f"dumb_async on {name.replace('anyio-', 'anyio, on ')}"
    model = importlib.import_module(f"variants.{module_of(name)}").MODEL
    return str(model.command.short_help)


def _defaults(workloads: Mapping[str, Workload] | None, *, quick: bool) -> dict[str, Any]:
    values = dict(QUICK) if quick else {"workloads": WORKLOADS}
    return {**values, "workloads": workloads or values["workloads"]}


def _contestants(
    wanted: Sequence[str], targets: Sequence[Contestant], *, quick: bool, service: str
) -> list[Contestant]:
    ours = contestants(("--service", service) if service else ())
    named = [name for name in wanted if name in ours]
    if not named and not (targets and any(one.name in wanted for one in targets)):
        named = list(QUICK_CONTESTANTS) if quick or targets else list(ours)
    chosen = [ours[name] for name in named] + list(targets)
    twice = [one.name for one in chosen if sum(one.name == two.name for two in chosen) > 1]
    if twice:
        raise Contradiction(f"there are two servers of the name {twice[0]!r}")
    return chosen


def _reference(chosen: Sequence[Contestant]) -> str:
    """Asyncio, as most people know it; else the first one."""
    return next((one.name for one in chosen if one.name == "asyncio"), chosen[0].name)


def _cpus() -> Cpus:
    try:
        return Cpus.choose()
    except ValueError as error:
        raise Contradiction(str(error)) from None


def _scenarios(wanted: Sequence[str], *, quick: bool, service: str) -> tuple[Scenario, ...]:
    named = [name for name in wanted if name in SCENARIOS]
    if service and (named or MATRIX in wanted):
        raise Contradiction("scenarios are PING, WAIT, BURN and STREAM: leave out --service")
    if service:
        return ()
    everything = QUICK_SCENARIOS if quick else tuple(SCENARIOS)
    return tuple(SCENARIOS[name] for name in named or everything)


def _narrowed(study: Study, wanted: Sequence[str]) -> Study:
    """Leave out the question that is not asked, if one of them is."""
    matrix = MATRIX in wanted or any(name in SCENARIOS for name in wanted)
    if not matrix and SCALING not in wanted:
        return study
    return study.without(scenarios=not matrix, loads=SCALING not in wanted)
