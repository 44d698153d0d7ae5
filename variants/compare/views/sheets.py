"""Findings as sheets of text, for whatever shows text: a terminal, Markdown."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from loadgen.plan.units import show_duration, show_quantity
from loadgen.views import Sheet

from ..baseline import Change
from ..diagnosis import State
from ..findings import Findings, Scaled, Watched
from ..metrics import METRICS, Mark, Metric
from ..report import Report
from . import words

#: How a round that is to be taken with caution is marked.
SIGNS: Final = {Mark.GENERATOR: "g", Mark.DISTURBED: "d"}
LEGEND: Final = (
    "marks: in how many rounds the generator was the limit (g), so that throughput is at least"
    " that, and in how many the machine was disturbed (d)"
)


def sheets(report: Report, findings: Findings, *, wide: bool = True) -> Iterator[Sheet]:
    """Yield everything that there is an answer to.

    :param wide: whether there is room for more than the p99 in a cell of the matrix.
    """
    if findings.watched:
        yield matrix(report, findings, wide=wide)
    for workload in dict.fromkeys(one.workload for one in findings.scaled):
        mix = str(report.study["workloads"][workload])
        scaled = [one for one in findings.scaled if one.workload == workload]
        scaled.sort(key=lambda one: one.connections)
        yield performance(f"{workload}: {mix}", scaled)
        yield cost(f"{workload}: {mix}", scaled)
    if findings.falls:
        yield falls(findings)
    for metric in METRICS if findings.scaled else ():
        yield comparisons(findings, metric)
    if report.lacks:
        yield lacks(report)


def matrix(report: Report, findings: Findings, *, wide: bool = True) -> Sheet:
    """Who stays responsive."""
    names = [one["name"] for one in report.study["scenarios"]]
    cells = {(one.contestant, one.scenario): one for one in findings.watched}
    what = "p50 / p99 / max" if wide else "p99"
    sheet = Sheet(f"Who stays responsive? A bystander's PING beside trouble: {what}", ["", *names])
    for contestant in report.contestants:
        row = [cells.get((contestant, name)) for name in names]
        if any(row):
            sheet.rows.append([contestant, *(watched(one, wide=wide) for one in row)])
    reasons: dict[str, list[str]] = {}
    for one in findings.watched:
        if one.reason:
            reason = f"{one.contestant}: {one.state.value}: {one.reason}"
            reasons.setdefault(reason, []).append(one.scenario)
    sheet.notes = [f"{reason} ({', '.join(where)})" for reason, where in reasons.items()]
    return sheet


def watched(one: Watched | None, *, wide: bool = True) -> str:
    """What a bystander had, in a cell."""
    if one is None:
        return ""
    if one.p50 is None or one.p99 is None or one.longest is None:
        return "failed" if one.state is State.FAILED else "NEVER"
    figures = (one.p50, one.p99, one.longest) if wide else (one.p99,)
    text = " / ".join(map(show_duration, figures))
    return f"PARALYSED {text}" if one.state is State.PARALYSED else text


def performance(title: str, scaled: Sequence[Scaled]) -> Sheet:
    """Who scales: what clients have of it."""
    head = ["connections", "server", "requests/s", "p50", "p99", "p99.9", "errors",
            "never served", "marks"]  # fmt: skip
    sheet = Sheet(f"Who scales? {title}", head, names=2, notes=[LEGEND])
    for one in scaled:
        latencies = map(_duration, (one.p50, one.p99, one.p999))
        sheet.rows.append([f"{one.connections:,}", one.contestant, _quantity(one.rate), *latencies,
                           f"{one.errors:,}", f"{one.never_served:,}", _marks(one)])  # fmt: skip
        sheet.notes += [f"{one.contestant} at {one.connections:,}: {why}" for why in one.failures]
    return sheet


def cost(title: str, scaled: Sequence[Scaled]) -> Sheet:
    """Who scales: what it takes the server."""
    head = ["connections", "server", "CPU µs/request", "user", "system", "threads", "resident",
            "virtual", "B/connection", "waits/s", "preempted/s"]  # fmt: skip
    sheet = Sheet(f"At what cost? {title}", head, names=2)
    for one in scaled:
        cpu = (one.cpu_us, one.user_us, one.system_us)
        counts = (one.bytes_per_connection, one.voluntary, one.involuntary)
        sheet.rows.append([f"{one.connections:,}", one.contestant,
                           *(f"{us:.1f}" if us is not None else "" for us in cpu),
                           _quantity(one.threads), words.size(one.resident_bytes),
                           words.size(one.virtual_bytes), *map(_quantity, counts)])  # fmt: skip
    return sheet


def falls(findings: Findings) -> Sheet:
    """Where servers do not serve everyone any more."""
    sheet = Sheet("Who falls over, and at how many connections?",
                  ["server", "workload", "connections", "served", "why"])  # fmt: skip
    sheet.names = 3
    for one in findings.falls:
        served = f"{one.served:,}"
        sheet.rows.append(
            [one.contestant, one.workload, f"{one.connections:,}", served, one.reason]
        )
    return sheet


def lacks(report: Report) -> Sheet:
    """What servers say themselves that their model does not hold."""
    title = "What does a model not hold, by its own word?"
    return Sheet(title, ["server", "is not one that", "why"], list(report.lacks), names=3)


def comparisons(findings: Findings, metric: Metric) -> Sheet:
    """Whether differences are real."""
    head = ["server", "workload", "connections", "ratio", "95 % interval", "noise", "verdict",
            "marks"]  # fmt: skip
    title = f"Is the difference real? {metric.title}, as a ratio to {findings.against}"
    sheet = Sheet(title, head, names=3)
    for one in findings.scaled:
        if found := one.comparisons.get(metric.name):
            again = " (again)" if one.contestant == findings.against else ""
            sheet.rows.append([f"{one.contestant}{again}", one.workload, f"{one.connections:,}",
                               f"{found.estimate.ratio:.2f}", words.interval(found.estimate),
                               f"±{found.noise - 1:.0%}", found.verdict.value,
                               _marks(one)])  # fmt: skip
    if any(one.contestant == findings.against and one.comparisons for one in findings.scaled):
        sheet.notes.append(f"{findings.against} (again): the A/A pair, the same server twice")
    return sheet


def changes_since(changed: Sequence[Change], notes: Sequence[str]) -> Sheet:
    """What has changed since an older report."""
    titles = {metric.name: metric.title for metric in METRICS}
    head = [
        "server",
        "workload",
        "connections",
        "figure",
        "new / old",
        "95 % interval",
        "verdict",
        "",
    ]
    sheet = Sheet("What has changed since the baseline?", head, names=3, notes=list(notes))
    for one in changed:
        load = [one.contestant, one.workload, f"{one.connections:,}"]
        found = [f"{one.estimate.ratio:.2f}", words.interval(one.estimate), one.verdict.value]
        past = "PAST THE THRESHOLD" if one.past else ""
        sheet.rows.append([*load, titles[one.metric], *found, past])
    return sheet


def _marks(one: Scaled) -> str:
    return " ".join(f"{count}{SIGNS[mark]}" for mark, count in one.marks.items())


def _duration(seconds: float | None) -> str:
    return show_duration(seconds) if seconds is not None else ""


def _quantity(number: float | None) -> str:
    return show_quantity(number) if number is not None else ""


def facts(report: Report) -> list[str]:
    """Where and how it was measured, a line each."""
    study: dict[str, Any] = report.study
    cpus, machine = study["cpus"], report.machine
    lines = [
        f"{machine.get('processor')}, {machine.get('cpus')} CPUs, {machine.get('system')}; "
        + ", ".join(f"{name} {version}" for name, version in report.versions.items()),
        f"servers on CPU {_listed(cpus['server'])}, load and everything else on CPU"
        f" {_listed(cpus['load'])}" + (": two halves of one core" if cpus["share_a_core"] else ""),
        f"{study['rounds']} rounds of {study['seconds']:g} s a load, a fresh server for each",
        f"randomised blocks, seed {study['seed']}; begun {report.begun}, ended {report.ended}",
        f"again: {report.command}",
    ]
    if report.partial:
        lines.insert(0, "PARTIAL: it was interrupted")
    return lines


def _listed(cpus: Sequence[int]) -> str:
    return ",".join(map(str, cpus))
