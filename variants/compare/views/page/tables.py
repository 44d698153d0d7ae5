"""The tables of the page: data, each cell with what it is sorted by."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from loadgen.views import Sheet

from ...diagnosis import State
from ...estimates import Verdict
from ...findings import Comparison, Fall, Findings, Scaled, Watched
from ...metrics import METRICS, Mark
from ...report import Measurement, Observation, Report
from .. import marking, words

#: The least and the most that a number a table is sorted by may be.
_Key = float | str | None


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a table.

    :param key: what it is sorted by; ``None``: it comes last. A text is its own key.
    :param look: how it is to stand out, a class of the style sheet.
    """

    text: str
    key: _Key = None
    look: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that can be sorted.

    :param columns: their heads, each with whether there are numbers below.
    """

    id: str
    title: str
    columns: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[Cell]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one contestant is not well, and beside what."""

    state: str
    text: str
    where: str


def _text(text: str, look: str = "") -> Cell:
    return Cell(text, text or None, look)


def matrix(report: Report, findings: Findings) -> Table:
    """The interference matrix, a row for each cell of it."""
    columns = [("Contestant", False), ("Beside", False), ("p50", True), ("p99", True),
               ("Max", True), ("Answered", True), ("Asked", True), ("State", False),
               ("Caution", False)]  # fmt: skip
    said = marking.of_all(findings.watched)
    rows = [_watched(one, said) for one in in_order(report, findings.watched)]
    return Table("table-matrix", "What a bystander had", columns, rows)


def _watched(one: Watched, said: Collection[Mark]) -> list[Cell]:
    times = (one.p50, one.p99, one.longest)
    return [
        _text(one.contestant), _text(one.scenario),
        *(Cell(words.seconds(value), value) for value in times),
        Cell(f"{one.answered:,}", one.answered), Cell(f"{one.asked:,}", one.asked),
        Cell(one.state.value, list(State).index(one.state), one.state.value),
        _text(words.marks(marking.rest(one, said))),
    ]  # fmt: skip


def reasons(report: Report, findings: Findings) -> dict[str, list[Reason]]:
    """Why contestants are not well: each reason of each of them once."""
    found: defaultdict[str, defaultdict[tuple[State, str], list[str]]]
    found = defaultdict(lambda: defaultdict(list))
    for one in in_order(report, findings.watched):
        if one.reason:
            found[one.contestant][one.state, one.reason].append(one.scenario)
    every = len(report.study["scenarios"])
    return {
        name: [
            Reason(state.value, text, "everything" if len(names) == every else words.listed(names))
            for (state, text), names in each.items()
        ]
        for name, each in found.items()
    }


def falls(report: Report, findings: Findings) -> Table:
    """From how many connections on a contestant does not serve everyone."""
    columns = [("Contestant", False), ("Workload", False), ("Falls over at", True),
               ("Served then", True), ("Why", False)]  # fmt: skip
    found = {(one.contestant, one.workload): one for one in findings.falls}
    most = {(s.contestant, s.workload): s.connections
            for s in sorted(findings.scaled, key=lambda s: s.connections)}  # fmt: skip
    rows = [
        [_text(name), _text(workload), *_fall(found.get((name, workload)), most[name, workload])]
        for name in report.contestants
        for workload in report.study["workloads"]
        if (name, workload) in most
    ]
    return Table("table-falls", "Where it falls over", columns, rows)


def _fall(fall: Fall | None, most: int) -> list[Cell]:
    if fall is None:
        return [Cell(f"not up to {most:,}"), Cell(words.NOTHING), _text("")]
    served = Cell(f"{fall.served:,} of {fall.connections:,}", fall.served)
    return [Cell(f"{fall.connections:,}", fall.connections, "slow"), served, _text(fall.reason)]


_Figures = Sequence[tuple[str, str, Callable[[Any], str]]]
#: What clients have of each contestant under each load: head, name, and how it is shown.
_FIGURES: Final[_Figures] = (
    ("Requests/s", "rate", words.number),
    ("p50", "p50", words.seconds),
    ("p99", "p99", words.seconds),
    ("p99.9", "p999", words.seconds),
    ("Clients served", "served", words.number),
    ("Errors", "errors", words.number),
    ("Rounds", "rounds", words.number),
)
#: What it takes the server.
_COSTS: Final[_Figures] = (
    ("CPU µs/request", "cpu_us", words.number),
    ("user", "user_us", words.number),
    ("system", "system_us", words.number),
    ("CPUs busy", "cpus", lambda value: words.NOTHING if value is None else f"{value:.2f}"),
    ("Threads", "threads", words.number),
    ("Resident", "resident_bytes", words.size),
    ("Virtual", "virtual_bytes", words.size),
    ("Bytes a connection", "bytes_per_connection", words.size),
    ("Waits/s", "voluntary", words.number),
    ("Preempted/s", "involuntary", words.number),
)
_LOAD: Final = (("Contestant", False), ("Workload", False), ("Connections", True))


def scaled(report: Report, findings: Findings) -> Table:
    """What clients have of every contestant under every load, and what there is to say of it."""
    said = marking.by_workload(findings)
    columns = [*_LOAD, *((title, True) for title, *_ in _FIGURES), ("Remarks", False)]
    rows = [
        [*_figures(one, _FIGURES), _text(_remarks(one, said[one.workload]))]
        for one in loads_in_order(report, findings)
    ]
    return Table("table-scaled", "What clients have, medians over rounds", columns, rows)


def cost(report: Report, findings: Findings) -> Table:
    """What every load takes the server."""
    columns = [*_LOAD, *((title, True) for title, *_ in _COSTS)]
    rows = [_figures(one, _COSTS) for one in loads_in_order(report, findings)]
    return Table("table-cost", "What it takes the server, medians over rounds", columns, rows)


def _figures(one: Scaled, figures: _Figures) -> list[Cell]:
    return [
        _text(one.contestant), _text(one.workload), _count(one.connections),
        *(Cell(show(getattr(one, name)), getattr(one, name)) for _, name, show in figures),
    ]  # fmt: skip


def _remarks(one: Scaled, said: Collection[Mark]) -> str:
    """Its errors, what became of it, and what is to be taken with caution."""
    marks = words.marks(marking.rest(one, said))
    return "; ".join(filter(None, [words.kinds(one.error_kinds), *one.failures, marks]))


def ratios(report: Report, findings: Findings) -> Table:
    """The verdicts."""
    columns = [*_LOAD, *((metric.title, True) for metric in METRICS), ("Rounds", True),
               ("Caution", False)]  # fmt: skip
    said = marking.by_workload(findings)
    fallen = {(one.contestant, one.workload): one.connections for one in findings.falls}
    rows = []
    for one in loads_in_order(report, findings):
        if one.contestant == findings.against and not one.comparisons:
            continue  # nothing was measured twice
        fell = one.connections >= fallen.get((one.contestant, one.workload), math.inf)
        name = one.contestant + " (again)" * (one.contestant == findings.against) + " ✕" * fell
        compared = (one.comparisons.get(metric.name) for metric in METRICS)
        rows.append([
            _text(name), _text(one.workload), _count(one.connections),
            *(_compared(each, fell) for each in compared),
            _count(one.rounds), _text(words.marks(marking.rest(one, said[one.workload]))),
        ])  # fmt: skip
    return Table("table-ratios", f"Beside {findings.against}", columns, rows)


def _compared(one: Comparison | None, fell: bool) -> Cell:
    if one is None:
        return Cell(words.NOTHING)
    looks = {Verdict.FASTER: "faster", Verdict.SLOWER: "slow"}
    look = "pale" if fell else looks.get(one.verdict, "")
    text = (
        f"{one.verdict.value}: {words.times(one.estimate.ratio)}\n({words.interval(one.estimate)})"
    )
    return Cell(text, one.estimate.ratio, look)


def failures(report: Report) -> Table:
    """What became of those that did not serve to the end."""
    every: list[Measurement | Observation] = [*report.observations, *report.measurements]
    counts = Counter((one.contestant, one.failure) for one in every if one.failure)
    rows = [[_text(name), _text(failure), _count(count)]
            for (name, failure), count in counts.items()]  # fmt: skip
    columns = [("Contestant", False), ("What became of it", False), ("Times", True)]
    return Table("table-failures", "Failures", columns, rows)


def lacks(report: Report) -> Table:
    """What contestants say themselves that their model does not hold."""
    rows = [list(map(_text, row)) for row in report.lacks]
    columns = [("Contestant", False), ("Is not one that", False), ("Why", False)]
    return Table("table-lacks", "What it does not hold, by its own word", columns, rows)


def commands(report: Report) -> Table:
    """How each contestant is started."""
    rows = [[_text(one["name"]), _text(one["command"], "code")]
            for one in report.study["contestants"]]  # fmt: skip
    return Table("table-commands", "Contestants", [("Name", False), ("Command", False)], rows)


def of_sheet(id_: str, sheet: Sheet) -> Table:
    """A table of texts."""
    columns = [(text, number >= sheet.names) for number, text in enumerate(sheet.head)]
    return Table(id_, sheet.title, columns, [list(map(_text, row)) for row in sheet.rows])


def in_order(report: Report, watched: Iterable[Watched]) -> list[Watched]:
    """As contestants and scenarios were given, and not as they were measured."""
    places = {one["name"]: place for place, one in enumerate(report.study["scenarios"])}
    names = {name: place for place, name in enumerate(report.contestants)}
    return sorted(watched, key=lambda one: (names[one.contestant], places[one.scenario]))


def loads_in_order(report: Report, findings: Findings) -> list[Scaled]:
    """As contestants and loads were given, and not as they were measured."""
    places = {name: place for place, name in enumerate(report.study["workloads"])}
    names = {name: place for place, name in enumerate(report.contestants)}
    return sorted(
        findings.scaled,
        key=lambda one: (places[one.workload], one.connections, names[one.contestant]),
    )


def settings(report: Report) -> Iterator[tuple[str, str]]:
    """The parameters of the study that are numbers and the like."""
    study: Mapping[str, Any] = report.study
    yield "seed", str(study["seed"])
    yield "compared with", study["against"]
    for name, mix in study["workloads"].items():
        yield f"workload {name}", mix
    yield "connections", ", ".join(f"{number:,}" for number in study["connections"])
    yield "rounds", f"{study['rounds']} of loads, {study['watch_rounds']} of scenarios"
    yield "each lasts", f"{study['seconds']:g} s, scenarios {study['watch_seconds']:g} s"
    yield "bystander", f"{study['rate_per_s']:g} PINGs a second"
    yield "time-out", f"{study['timeout_s']:g} s"
    limit = study["memory_limit_bytes"]
    yield "memory limit", words.size(limit) if limit else "none"
    yield "service", study["service"] or "PING, WAIT, BURN, STREAM"


def _count(value: int) -> Cell:
    return Cell(f"{value:,}", value)
