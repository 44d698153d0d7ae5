"""What follows from a report: of one that nobody has measured, so that it is known."""

import math
from dataclasses import replace

import pytest

from variants.compare.baseline import changes, differences
from variants.compare.diagnosis import State, reason_of, state_of
from variants.compare.estimates import Verdict
from variants.compare.finding import find
from variants.compare.findings import Findings, Scaled, Watched
from variants.compare.metrics import METRICS, Mark, error_kinds
from variants.compare.report import Measurement, Report
from variants.compare.usage import Usage

from . import made_up

#: What a server used for a thousand clients in two seconds.
USAGE = Usage(
    seconds=2.0, cpu_s=0.5, user_s=0.3, system_s=0.1, voluntary=100, involuntary=10, threads=3,
    virtual_bytes=9_000_000, resident_bytes=5_000_000, private_bytes=4_096_000,
    unloaded_bytes=2_048_000, connections=1000,
)  # fmt: skip


@pytest.fixture(scope="module")
def report() -> Report:
    """A report."""
    return made_up.report()


@pytest.fixture(scope="module")
def findings(report: Report) -> Findings:
    """What follows from it."""
    return find(report)


@pytest.fixture(scope="module")
def bad() -> Findings:
    """What follows from a report on servers that nobody wants to have."""
    return find(made_up.report(made_up.bad_study()))


def scaled(findings: Findings, name: str, workload: str, connections: int) -> Scaled:
    """The one of that load."""
    wanted = (name, workload, connections)
    return next(
        one for one in findings.scaled
        if (one.contestant, one.workload, one.connections) == wanted
    )  # fmt: skip


def watched(findings: Findings, name: str, scenario: str) -> Watched:
    """The one of that cell."""
    return next(
        one for one in findings.watched if (one.contestant, one.scenario) == (name, scenario)
    )


def test_every_contestant_has_its_row_whatever_became_of_it(
    report: Report, findings: Findings
) -> None:
    """In the order of the study, not in the one of the measuring."""
    expected = [
        (workload, connections, name)
        for workload in ("ping", "mix")
        for connections in made_up.CONNECTIONS
        for name in report.contestants
    ]
    assert expected == [(one.workload, one.connections, one.contestant) for one in findings.scaled]
    cells = len(report.contestants) * len(report.study["scenarios"])
    assert cells == len(findings.watched)


def test_a_server_that_never_started_says_so_everywhere(findings: Findings) -> None:
    """No figure, no comparison, a reason."""
    one = scaled(findings, "dud", "ping", 10)
    assert (0, (made_up.FAILURE,), None, 10, {}) == (
        one.rounds, one.failures, one.rate, one.never_served, one.comparisons,
    )  # fmt: skip
    assert State.FAILED is watched(findings, "dud", "nothing").state
    falls = {(one.contestant, one.workload): one for one in findings.falls}
    assert (1, made_up.FAILURE) == (
        falls["dud", "ping"].connections, falls["dud", "ping"].reason,
    )  # fmt: skip


def test_it_is_told_at_how_many_connections_a_server_falls_over(findings: Findings) -> None:
    """The fewest, and how many of them it served."""
    falls = {one.contestant: one for one in findings.falls if one.workload == "ping"}
    assert {"dud", "iterative", "threads"} == set(falls)
    assert (1000, 700) == (falls["threads"].connections, falls["threads"].served)
    assert "300 of 1,000 clients were never served" in falls["threads"].reason
    assert "read: timeout" in falls["threads"].reason
    assert (10, 1) == (falls["iterative"].connections, falls["iterative"].served)


def test_the_iterative_server_is_paralysed_and_it_is_said_why(findings: Findings) -> None:
    """Beside any trouble, and not without."""
    alone = watched(findings, "iterative", "nothing")
    assert (State.RESPONSIVE, "") == (alone.state, alone.reason)
    one = watched(findings, "iterative", "long-wait")
    assert (State.PARALYSED, 0, 400) == (one.state, one.answered, one.asked)
    assert "none of 400 PINGs was answered: it serves one client at a time" in one.reason
    assert State.RESPONSIVE is watched(findings, "asyncio", "long-wait").state


def test_a_bystander_without_a_connection_is_one_of_a_paralysed_server(report: Report) -> None:
    """As of one whose queue is full: that is no failure of the server to run."""
    one = next(one for one in report.observations if one.contestant == "iterative")
    refused = replace(one, result=None, made=replace(one.made, clients=5000, served=1))
    assert State.PARALYSED is state_of(refused)
    assert reason_of(refused).startswith(
        "the bystander got no connection: it serves one client at a time"
    )


def test_what_a_server_is_at_is_told_from_its_cpu(report: Report) -> None:
    """Idle, it waits; else it is busy."""
    one = next(
        one for one in report.observations
        if (one.contestant, one.scenario) == ("iterative", "long-wait")
    )  # fmt: skip
    assert one.usage is not None
    idle = replace(one, usage=replace(one.usage, cpu_s=0.01, seconds=1.0))
    busy = replace(one, usage=replace(one.usage, cpu_s=0.97, seconds=1.0))
    assert "waits for the first client" in reason_of(idle)
    assert "is busy (97% of a CPU) with the first client" in reason_of(busy)


def test_slow_and_hollow_cells_are_told_apart(findings: Findings) -> None:
    """A p99 that is too long; a trouble that was less than it was to be."""
    slow = watched(findings, "asyncio", "big-burn")
    assert State.SLOW is slow.state
    assert slow.reason.startswith("p99 3")
    hollow = watched(findings, "threads", "idle")
    assert State.UNTROUBLED is hollow.state
    assert "only 2,500 of 5,000 got to make trouble (EAGAIN)" in hollow.reason


def test_the_pair_is_no_difference_and_what_differs_is_one(findings: Findings) -> None:
    """The foreign one takes a fifth of the CPU time; asyncio is as fast as itself."""
    pair = scaled(findings, "asyncio", "ping", 10).comparisons
    assert {metric.name for metric in METRICS} == set(pair)
    assert Verdict.SAME is pair["rate"].verdict
    other = scaled(findings, made_up.HOSTILE, "ping", 10).comparisons
    assert Verdict.FASTER is other["rate"].verdict
    assert Verdict.FASTER is other["cpu"].verdict  # though its ratio is below 1
    assert other["cpu"].estimate.ratio < 1
    assert 5 == other["rate"].estimate.rounds
    assert pair["rate"].noise == other["rate"].noise > 1
    elsewhere = scaled(findings, "threads", "ping", 100).comparisons["rate"].noise
    assert elsewhere == pair["rate"].noise  # of all loads of the workload


def test_a_slow_server_is_slower(bad: Findings) -> None:
    """20 ms a request beside less than one."""
    row = scaled(bad, "slow", "ping", 5)
    for figure, ratio in (("rate", 0.02), ("p99", 50)):
        found = row.comparisons[figure]
        assert Verdict.SLOWER is found.verdict
        assert 0.5 < found.estimate.ratio / ratio < 2
    assert (5, 0, 0) == (row.rounds, row.errors, row.never_served)


def test_a_server_that_dies_is_a_row_that_says_so(bad: Findings) -> None:
    """In each round, of the signal it died of; it has no figure to compare."""
    row = scaled(bad, "crashing", "ping", 5)
    assert (0, (made_up.DEATH,), 5) == (row.rounds, row.failures, row.never_served)
    assert {} == row.comparisons
    fall = next(one for one in bad.falls if one.contestant == "crashing")
    assert (5, 0, made_up.DEATH) == (fall.connections, fall.served, fall.reason)


def test_a_server_that_hangs_is_a_row_that_says_so(bad: Findings) -> None:
    """Nobody was served, and by which error: of five clients in five rounds."""
    row = scaled(bad, "hanging", "ping", 5)
    assert (5, None, 5, 25) == (row.rounds, row.rate, row.never_served, row.errors)
    assert {"read: timeout": 25} == row.error_kinds
    fall = next(one for one in bad.falls if one.contestant == "hanging")
    assert (5, 0) == (fall.connections, fall.served)
    assert "5 of 5 clients were never served (read: timeout (25))" == fall.reason


def test_a_server_that_is_given_up_is_a_row_that_says_so(bad: Findings) -> None:
    """What it failed of, and that it was left out then: each once."""
    row = scaled(bad, "broken", "ping", 5)
    assert (0, (made_up.FAILURE, made_up.LEFT_OUT)) == (row.rounds, row.failures)


def test_who_is_beside_bad_ones_is_none_the_worse(bad: Findings) -> None:
    """All rounds count, and it is compared with itself by everything."""
    row = scaled(bad, "asyncio", "ping", 5)
    assert (5, 0, 0, 1) == (row.rounds, row.errors, row.never_served, row.threads)
    assert {metric.name for metric in METRICS} == set(row.comparisons)
    assert {Verdict.SAME} == {one.verdict for one in row.comparisons.values()}


def test_figures_are_those_of_what_was_counted(report: Report) -> None:
    """CPU of each reply, by user and system; memory, threads, and switches a second."""
    one = next(
        one for one in report.measurements
        if (one.contestant, one.connections) == ("asyncio", 1000) and one.result
    )  # fmt: skip
    assert one.result is not None
    row = find(replace(report, measurements=[replace(one, usage=USAGE)])).scaled[0]
    each = 500_000 / one.result.tally.replies
    assert pytest.approx([each, each * 0.75, each * 0.25, 0.25]) == [
        row.cpu_us, row.user_us, row.system_us, row.cpus,
    ]  # fmt: skip
    assert (3, 5_000_000, 9_000_000, 2048, 50, 5) == (
        row.threads, row.resident_bytes, row.virtual_bytes, row.bytes_per_connection,
        row.voluntary, row.involuntary,
    )  # fmt: skip


def test_who_does_not_serve_everyone_is_neither_faster_nor_slower(findings: Findings) -> None:
    """The one client of ten that is served is served fast: that is no merit."""
    one = scaled(findings, "iterative", "ping", 10)
    assert 1 == one.served
    assert {Verdict.UNEQUAL} == {found.verdict for found in one.comparisons.values()}
    alone = scaled(findings, "iterative", "ping", 1).comparisons
    assert Verdict.UNEQUAL not in {found.verdict for found in alone.values()}


def test_of_a_rate_that_is_given_no_throughputs_are_compared() -> None:
    """All have the same: what they take for it is the question."""
    report = made_up.report(made_up.quick_study())
    scaled = find(report).scaled
    compared = {workload: {name for one in scaled if one.workload == workload
                           for name in one.comparisons}
                for workload in ("ping", "paced")}  # fmt: skip
    assert {"ping": {"rate", "p99", "cpu"}, "paced": {"p99", "cpu"}} == compared
    assert all(one.rate for one in scaled if one.contestant != "dud")
    assert {"p99", "cpu"} == {one.metric for one in changes(report, report)
                              if one.workload == "paced"}  # fmt: skip


def test_another_reference(report: Report, findings: Findings) -> None:
    """The ratios are the inverse ones; the pair is only asyncio's."""
    turned = find(report, "threads")
    one = scaled(turned, "asyncio", "ping", 10).comparisons["rate"].estimate.ratio
    other = scaled(findings, "threads", "ping", 10).comparisons["rate"].estimate.ratio
    assert math.isclose(one, 1 / other)
    assert {} == scaled(turned, "threads", "ping", 10).comparisons


def test_rounds_to_be_taken_with_caution_are_counted(findings: Findings) -> None:
    """Of each kind."""
    assert {Mark.GENERATOR: 5} == scaled(findings, made_up.HOSTILE, "ping", 100).marks
    assert {Mark.DISTURBED: 1} == scaled(findings, "threads", "mix", 1).marks
    assert {} == scaled(findings, "threads", "ping", 1).marks


def test_figures_are_medians_over_rounds(report: Report, findings: Findings) -> None:
    """One round that was far off does not count."""
    rates = sorted(
        one.result.rate for one in report.measurements
        if (one.contestant, one.workload, one.connections) == ("threads", "ping", 10)
        and one.result
    )  # fmt: skip
    assert rates[2] == scaled(findings, "threads", "ping", 10).rate


def test_too_few_rounds_have_no_verdict(report: Report) -> None:
    """As of a report that was interrupted."""
    few = replace(
        report, measurements=[one for one in report.measurements if one.round < 2], partial=True
    )
    comparisons = scaled(find(few), "threads", "ping", 10).comparisons
    assert {Verdict.OPEN} == {one.verdict for one in comparisons.values()}


def test_nothing_follows_from_nothing(report: Report) -> None:
    """A report that was interrupted at once."""
    empty = find(replace(report, measurements=[], observations=[]))
    assert ([], [], []) == (empty.watched, empty.scaled, empty.falls)


def test_an_error_is_counted_once(report: Report) -> None:
    """A request that was lost with its connection is one error."""
    one = next(
        one for one in report.measurements
        if one.contestant == "threads" and one.connections == 1000 and one.result
    )  # fmt: skip
    assert one.result is not None
    lost = one.result.tally.lost_requests
    tally = replace(one.result.tally, lost_connections=lost.copy())
    assert error_kinds(one) == error_kinds(replace(one, result=replace(one.result, tally=tally)))


def slowed(report: Report, by: float) -> Report:
    """The same, with asyncio slower on ten connections."""

    def slow(one: Measurement) -> Measurement:
        if (one.contestant, one.connections) != ("asyncio", 10) or one.result is None:
            return one
        agents = [
            replace(agent, vitals=replace(agent.vitals, elapsed_s=agent.vitals.elapsed_s * by))
            for agent in one.result.agents
            if agent.vitals
        ]
        return replace(one, result=replace(one.result, agents=agents))

    return replace(report, measurements=[slow(one) for one in report.measurements])


def test_the_same_report_has_not_changed(report: Report) -> None:
    """Nothing of it, nor of how it was made."""
    found = list(changes(report, report))
    assert found
    assert {Verdict.SAME} == {one.verdict for one in found}
    assert not any(one.past for one in found)
    assert [] == differences(report, report)


def test_what_got_slower_is_past_the_threshold_or_not(report: Report) -> None:
    """By 30 %: past 10 %, not past 50 %. Nothing else is."""
    slower = slowed(report, 1.3)
    past = [one for one in changes(slower, report, 0.1) if one.past]
    assert {("asyncio", "ping", 10, "rate"), ("asyncio", "mix", 10, "rate")} == {
        (one.contestant, one.workload, one.connections, one.metric) for one in past
    }
    assert {Verdict.SLOWER} == {one.verdict for one in past}
    assert not any(one.past for one in changes(slower, report, 0.5))
    assert not any(one.past for one in changes(report, slower, 0.1))  # it got faster


def test_reports_that_are_not_alike(report: Report) -> None:
    """It is said in what."""
    study = {**report.study, "seconds": 9.0, "workloads": {"ping": "PING=1,WAIT 1=1"}}
    other = replace(report, machine={"cpus": 64}, study=study)
    lines = differences(other, report)
    assert 3 == len(lines)
    assert "64" in lines[0]
    assert "9.0 now" in lines[1]
    assert "the workload ping differs" in lines[2]


def test_states_are_ordered_from_well_to_worst(report: Report) -> None:
    """Of several rounds the worst one is told."""
    cell = [
        one for one in report.observations
        if (one.contestant, one.scenario) == ("asyncio", "long-wait")
    ]  # fmt: skip
    failed = replace(cell[0], round=1, failure="it died", result=None)
    assert State.FAILED is state_of(failed)
    found = find(replace(report, observations=[*cell, failed])).watched
    assert (State.FAILED, "it died") == (found[0].state, found[0].reason)
    assert found[0].p99 is not None
