"""What is printed of results that were made up."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bench.intake import Intake
from bench.plan import Plan, Results, Round
from bench.report import as_json, tables
from bench.workers import CREWS, JUDGED, ONE

from .made_up import compared, sample, scene, turn

THREADS = "2 threads, 2 CPUs"
PLAN = Plan({"epoll": ["./server"]}, bare={"trio": ["./bare"]})


def rows(results: Results) -> list[list[str]]:
    """The words of every line."""
    return [line.split() for line in tables(results).splitlines()]


def row(results: Results, *words: str) -> list[str]:
    """The words of the one line that begins with these."""
    (found,) = (row for row in rows(results) if tuple(row[: len(words)]) == words)
    return found[len(words) :]


def speed_row(server: str, *rounds: float) -> list[str]:
    """The row of PING at 50 connections for these ratios."""
    results = Results(speed={"ping50": {server: [compared(ratio) for ratio in rounds]}})
    return row(results, "PING,", "50", "connections", server)


def test_nothing_measured_is_nothing_to_say() -> None:
    """No table without rows, and no note without its table."""
    assert tables(Results()) == ""
    assert tables(Results(turns=[{}])) == ""


@pytest.mark.parametrize(
    ("server", "ratio", "target", "verdict"),
    [
        ("uvloop", 0.75, "0.75", "met"),
        ("uvloop", 0.74, "0.75", "MISSED"),
        ("epoll", 0.70, "0.70", "met"),
        ("epoll", 0.69, "0.70", "MISSED"),
        ("reactor", 0.65, "0.65", "met"),
        ("coro", 0.59, "0.60", "MISSED"),
        ("threads", 0.46, "0.45", "met"),
    ],
)
def test_a_ratio_beside_its_target(server: str, ratio: float, target: str, verdict: str) -> None:
    """Loops and variants alike."""
    assert [f"{ratio:.2f}", "≥", target, verdict] == speed_row(server, ratio)[:4]


@pytest.mark.parametrize(
    "server", ["select", "streams", "epoll-workers", "nested-trio", "anyio-uvloop", "foreign"]
)
def test_a_ratio_without_a_target(server: str) -> None:
    """It is shown, and not judged: after it come the lowest and the highest."""
    assert ["0.30", "0.20", "0.40"] == speed_row(server, 0.2, 0.3, 0.4)[:3]


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    """One bad round does not count."""
    assert ["0.72", "≥", "0.70", "met", "0.10", "0.80"] == speed_row("epoll", 0.8, 0.1, 0.72)[:6]


@pytest.mark.parametrize(
    ("errors", "unanswered", "verdict"),
    [(0, 2, ["2", "UNANSWERED"]), (3, 0, ["3", "ERRORS"]), (3, 2, ["3", "ERRORS"])],
)
def test_a_spoilt_ratio_meets_no_target(errors: int, unanswered: int, verdict: list[str]) -> None:
    """However fast the others were served."""
    spoilt = compared(0.9, errors=errors, unanswered=unanswered)
    results = Results(speed={"ping50": {"epoll": [compared(0.9), spoilt]}})
    assert verdict == row(results, "PING,", "50", "connections", "epoll")[3:5]


def beside_bare(ratio: float, bare: float) -> Round:
    """A round in which a server and its bare protocol were so fast beside the floor."""
    return replace(compared(ratio), bare=sample(bare))


@pytest.mark.parametrize(
    ("server", "ratio", "expected"),
    [
        ("trio", 0.44, "0.44 ≥ 0.38 met 0.88 ≥ 0.88 met 0.44 0.44"),
        ("trio", 0.43, "0.43 ≥ 0.38 met 0.86 ≥ 0.88 MISSED 0.43 0.43"),
        ("anyio-trio", 0.25, "0.25 0.50 0.25 0.25"),
    ],
)
def test_a_share_of_the_bare_protocol(server: str, ratio: float, expected: str) -> None:
    """It has a target of its own, where there is one."""
    results = Results(speed={"ping50": {server: [beside_bare(ratio, 0.5)]}})
    words = expected.split()
    assert words == row(results, "PING,", "50", "connections", server)[: len(words)]


@pytest.mark.parametrize("figure", ["ping1000", "pipeline64"])
def test_the_share_has_a_target_at_50_connections(figure: str) -> None:
    """For the others it is shown."""
    results = Results(speed={figure: {"trio": [beside_bare(0.38, 0.5)]}})
    (line,) = (words for words in rows(results) if "trio" in words)
    assert "≥ 0.38 met 0.76 0.38 0.38".split() == line[line.index("≥") :][:6]


def test_a_share_is_the_median_of_the_rounds() -> None:
    """Of each round's own, and of those in which the bare protocol was measured."""
    rounds = [beside_bare(0.4, 0.8), beside_bare(0.8, 0.8), beside_bare(0.3, 0.4), compared(0.1)]
    results = Results(speed={"ping50": {"trio": rounds}})
    assert (
        "0.35 ≥ 0.38 MISSED 0.75 ≥ 0.88 MISSED 0.10 0.80".split()
        == (row(results, "PING,", "50", "connections", "trio")[:10])
    )


def test_what_a_bare_protocol_takes() -> None:
    """Its CPU time a request stands between the server's and the floor's."""
    results = Results(speed={"ping50": {"trio": [beside_bare(0.4, 0.5)]}})
    assert ["20.00", "16.00", "8.00", "2.00"] == (
        row(results, "PING,", "50", "connections", "trio")[-4:]
    )


@pytest.mark.parametrize(
    ("spoilt", "verdict"),
    [
        (Round(sample(1), sample(0.9, errors=3), sample(0.9)), "3 ERRORS 1.00 ≥ 0.88 3 ERRORS"),
        (Round(sample(1), sample(0.9), sample(0.9, unanswered=7)), "met 1.00 ≥ 0.88 7 UNANSWERED"),
    ],
)
def test_a_spoilt_share_meets_no_target(spoilt: Round, verdict: str) -> None:
    """Whichever of the two it was that failed its clients."""
    results = Results(speed={"ping50": {"uvloop": [spoilt]}})
    words = verdict.split()
    assert words == row(results, "PING,", "50", "connections", "uvloop")[3 : 3 + len(words)]


@pytest.mark.parametrize(
    ("server", "measured", "expected"),
    [
        ("trio", 4097.0, ["4,097", "≤", "4,096", "MISSED"]),
        ("anyio-trio", 9000.0, ["9,000"]),
        ("epoll", 2048.0, ["2,048", "≤", "2,048", "met"]),
        ("epoll", 2049.0, ["2,049", "≤", "2,048", "MISSED"]),
        ("streams", 6900.0, ["6,900"]),
    ],
)
def test_memory_beside_its_target(server: str, measured: float, expected: Sequence[str]) -> None:
    """Of those that have one."""
    results = Results(idle_bytes={server: measured})
    assert expected == row(results, "9,000", "held", server)


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("epoll", ["7.00", "≤", "5", "MISSED", "7.00"]),
        ("uvloop", ["7.00", "≤", "5", "MISSED", "7.00"]),
        ("threads", ["7.00", "7.00"]),
        ("anyio-asyncio", ["7.00", "7.00"]),
    ],
)
def test_a_bystander_beside_its_target(server: str, expected: list[str]) -> None:
    """Threads are not promised to be fair."""
    results = Results(scenes={"1000 WAITs": {server: [scene(7)]}})
    assert expected == row(results, "1000", "WAITs", server)[: len(expected)]


def test_a_bystander_that_got_no_answer_meets_no_target() -> None:
    """However soon the other PINGs were answered."""
    results = Results(scenes={"5000 idle": {"coro": [scene(1), scene(1, unanswered=3)]}})
    assert ["3", "UNANSWERED"] == row(results, "5000", "idle", "coro")[3:5]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("uvloop", "2.00 ≤ 2.00 met 1.00 3.00 50"),
        ("floor in C", "2.00 1.00 3.00 50"),
        ("anyio-trio", "2.00 1.00 3.00 50"),
    ],
)
def test_how_soon_a_crowd_is_taken_in(server: str, expected: str) -> None:
    """The median of the rounds, the best and the longest; with the server's CPU time."""
    results = Results(intakes={server: [Intake(2, 40), Intake(1, 50), Intake(3, 60)]})
    begin = f"10,000 connections taken in {server}"
    assert expected.split() == row(results, *begin.split())
    late = Results(intakes={"trio": [Intake(1, 40), Intake(2.01, 40), Intake(3, 40)]})
    assert "MISSED" in row(late, "10,000")


def test_how_soon_a_server_is_ready() -> None:
    """A target for the server itself, none for a variant."""
    results = Results(ready_s={"uvloop": [0.6], "epoll": [0.6]})
    assert ["0.600", "≤", "0.5", "MISSED", "0.600"] == row(results, "1", "starts", "uvloop")
    assert ["0.600", "0.600"] == row(results, "1", "starts", "epoll")


def workers_row(results: Results, name: str) -> list[str]:
    """The row of one crew."""
    return row(results, *f"BURN 20000, 16 connections {name}".split())


def test_two_workers_beside_one() -> None:
    """Each round by itself, beside the target; with what disturbed it."""
    results = Results(
        turns=[
            {ONE: turn(1000), JUDGED: turn(1900, 1.9), THREADS: turn(900)},
            {ONE: turn(2000), JUDGED: turn(3400, 1.9), THREADS: turn(2000)},
            {ONE: turn(1000), JUDGED: turn(1500, 1.9), THREADS: turn(950)},
        ]
    )
    assert ["1.00", "1.00", "1.00", "1.00", "1000"] == workers_row(results, ONE)[:5]
    assert "1.70 ≥ 1.60 met 1.50 1.90 1.70 1900 300 1.90 95% 5% 2% 25%".split() == workers_row(
        results, JUDGED
    )
    assert ["0.95", "0.90", "1.00", "0.95", "950"] == workers_row(results, THREADS)[:5]
    assert "A ratio over 2 is noise" in tables(results)


def test_two_workers_that_are_worth_less() -> None:
    """One and a half is not enough."""
    results = Results(turns=[{ONE: turn(1000), JUDGED: turn(1590)}])
    assert ["1.59", "≥", "1.60", "MISSED"] == workers_row(results, JUDGED)[:4]


def test_what_others_took_is_told_apart() -> None:
    """The verdict is on what was measured, beside it stands what it would have been."""
    disturbed = replace(turn(1200), stolen=0.1, others=0.3)
    results = Results(turns=[{ONE: replace(turn(1000), stolen=0, others=0), JUDGED: disturbed}])
    assert ["1.20", "≥", "1.60", "MISSED"] == workers_row(results, JUDGED)[:4]
    assert "2.00" == workers_row(results, JUDGED)[6]


def test_rounds_in_which_a_crew_failed() -> None:
    """The others' ratios are those of the rounds where there was one to compare with."""
    results = Results(turns=[{JUDGED: turn(9000)}, {ONE: turn(1000), JUDGED: turn(1700)}, {}])
    assert ["1.70", "≥", "1.60", "met"] == workers_row(results, JUDGED)[:4]
    alone = Results(turns=[{JUDGED: turn(9000)}])
    assert ["≥", "1.60", "9000"] == workers_row(alone, JUDGED)[:3]


def test_failures_are_told_at_the_end() -> None:
    """In the words in which they were found."""
    results = Results(failures=["ping1000, select: why", "idle, iterative: why"])
    assert "NOT MEASURED: ping1000, select: why\nNOT MEASURED: idle, iterative: why" == tables(
        results
    )


def test_all_of_it_can_be_read_by_a_program() -> None:
    """Every figure with its rounds."""
    results = Results(
        speed={"ping50": {"epoll": [compared(0.7)], "trio": [beside_bare(0.3, 0.4)]}},
        intakes={"trio": [Intake(1.5, 40)]},
        scenes={"5000 idle": {"epoll": [scene(1)]}},
        turns=[{name: turn(1000) for name in CREWS}],
    )
    told = json.loads(json.dumps(as_json(PLAN, results)))
    assert {"epoll": ["./server"]} == told["commands"]
    assert {"trio": ["./bare"]} == told["bare_commands"]
    assert 0.7 == told["speed"]["ping50"]["epoll"]["ratio"]
    assert told["speed"]["ping50"]["epoll"]["of_bare"] is None
    assert 0.75 == told["speed"]["ping50"]["trio"]["of_bare"]["ratio"]
    assert 40_000 == told["speed"]["ping50"]["trio"]["rounds"][0]["bare"]["per_s"]
    assert [{"seconds": 1.5, "cpu_us": 40}] == told["intake"]["trio"]
    assert 1.0 == told["workers"][JUDGED]["ratio"]
    assert 0.25 == told["workers"][JUDGED]["rounds"][0]["others"]
    assert list(CREWS) == list(told["workers"])
