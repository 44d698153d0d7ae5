"""The report as a page: one file that needs nothing else, opened from wherever it lies."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader
from plotly.graph_objects import layout
from plotly.offline import get_plotlyjs

from loadgen.views import Sheet

from ..diagnosis import State
from ..estimates import Verdict
from ..findings import Findings
from ..metrics import METRICS, Mark, marks_of
from ..report import Measurement, Observation, Report
from . import charts, marking, words
from .page import tables

_PAGE: Final = Path(__file__).parent / "page"


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of the page.

    :param figures: what is drawn, by what can be chosen (a load), then by theme.
    """

    id: str
    label: str
    figures: dict[str, dict[str, Any]]

    @property
    def height(self) -> int:
        """Its pixels, so that the page does not jump when it is drawn."""
        return max(int(each["light"]["layout"]["height"]) for each in self.figures.values())


def render(report: Report, findings: Findings, changes: Sheet | None = None) -> str:
    """Return the page.

    :param changes: what has changed since a baseline.
    """
    environment = Environment(
        loader=FileSystemLoader(_PAGE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    # Nothing in a script may look like its end.
    library = get_plotlyjs().replace("</script", "<\\/script").replace("<!--", "<\\!--")
    script = (_PAGE / "page.js").read_text(encoding="utf-8")
    drawn = list(_charts(report, findings))
    return environment.get_template("page.html.jinja").render(
        report=report,
        study=report.study,
        findings=findings,
        charts={chart.id: chart for chart in drawn},
        figures={chart.id: chart.figures for chart in drawn},
        templates=_templates(),
        loads=_loads(report, findings),
        telling=_most_telling(report, findings),
        tables=_tables(report, findings, changes),
        changes=changes,
        reasons=tables.reasons(report, findings),
        well=_well(report, findings),
        settings=list(tables.settings(report)),
        marked=_marked(report),
        marks=_marks(findings),
        words=words,
        scales_id=scales_id,
        State=State,
        style=(_PAGE / "style.css").read_text(encoding="utf-8"),
        scripts=[library, script],
        hashes=[_hash(library), _hash(script)],
    )


def scales_id(workload: str) -> str:
    """Name the chart of a workload."""
    return "chart-scales-" + re.sub(r"\W+", "-", workload)


def _tables(report: Report, findings: Findings, changes: Sheet | None) -> dict[str, tables.Table]:
    made = [make(report, findings) for make in (tables.matrix, tables.falls, tables.scaled,
                                                tables.cost, tables.ratios)]  # fmt: skip
    made += [tables.failures(report), tables.lacks(report), tables.commands(report)]
    if changes:
        made.append(tables.of_sheet("table-changes", changes))
    return {table.id.removeprefix("table-"): table for table in made}


def _charts(report: Report, findings: Findings) -> Iterator[Chart]:
    """All charts for which there is anything to show."""

    def themed(make: Callable[[Any], Any]) -> dict[str, Any]:
        made = {theme.name: make(theme).to_plotly_json() for theme in charts.THEMES}
        for each in made.values():
            del each["layout"]["template"]  # the page has them once
        return made

    if findings.watched:
        figure = themed(lambda theme: charts.matrix(report, findings, theme))
        label = "Heat map: p99 of a bystander, by contestant and by what other clients do"
        yield Chart("chart-matrix", label, {"": figure})
    for workload in report.study["workloads"] if findings.scaled else ():
        figure = themed(lambda theme: charts.curves(report, findings, workload, theme))  # noqa: B023
        label = f"Curves over connections, workload {workload}: throughput, p99, CPU time, memory"
        yield Chart(scales_id(workload), label, {"": figure})
    for metric in METRICS if findings.scaled else ():
        each = {
            f"{load[0]}/{load[1]}": themed(
                lambda theme: charts.ratios(report, findings, metric, load, theme)  # noqa: B023
            )
            for load in _loads(report, findings)
        }
        label = f"Bars: {metric.title} as a ratio to {findings.against}, with intervals"
        yield Chart(f"chart-differs-{metric.name}", label, each)


def _templates() -> dict[str, Any]:
    """What charts have in common, by theme."""
    return {theme.name: layout.Template(theme.template).to_plotly_json() for theme in charts.THEMES}


def _loads(report: Report, findings: Findings) -> list[tuple[str, int]]:
    """Those that were measured, in order."""
    each = tables.loads_in_order(report, findings)
    return list(dict.fromkeys((one.workload, one.connections) for one in each))


def _most_telling(report: Report, findings: Findings) -> tuple[str, int] | None:
    """The load to begin with: of those under which most can be told, that of most connections."""
    loads = _loads(report, findings)
    told: Counter[tuple[str, int]] = Counter()
    for one in findings.scaled:
        told[one.workload, one.connections] += sum(
            each.verdict is not Verdict.OPEN for each in one.comparisons.values()
        )
    first = [load for load in loads if load[0] == loads[0][0]]
    return max(first, key=lambda load: (told[load], load[1]), default=None)


def _well(report: Report, findings: Findings) -> list[str]:
    """Who stays responsive, whatever the others do."""
    well = {State.RESPONSIVE, State.UNTROUBLED}
    states = {name: {one.state for one in findings.watched if one.contestant == name}
              for name in report.contestants}  # fmt: skip
    return [name for name, of in states.items() if of and of <= well]


def _marked(report: Report) -> str:
    every: list[Measurement | Observation] = [*report.measurements, *report.observations]
    each = [marks_of(one) for one in every]
    counts: Counter[Mark] = Counter(mark for marks in each for mark in marks)
    return words.marked(report, counts, sum(map(bool, each)))


def _marks(findings: Findings) -> dict[str, Any]:
    """What is said of all at once, and whether anything is marked beyond that."""
    everywhere, said = marking.of_all(findings.watched), marking.by_workload(findings)
    return {
        "watched": marking.in_words(everywhere, "every cell"),
        "scaled": {name: marking.in_words(marks, f"every load of {name}")
                   for name, marks in said.items()},
        "daggers": any(marking.rest(one, everywhere) for one in findings.watched),
        "hollow": any(marking.rest(one, said[one.workload]) for one in findings.scaled),
    }  # fmt: skip


def _hash(script: str) -> str:
    """What a content security policy knows a script by."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
