"""``python -m variants compare``, as it is used: real servers, good and bad, and its files.

What is measured of real servers is not judged here, for a busy machine has its part in it: only
what holds on any is asked of it. Verdicts are those on figures that are given, see `made_up`.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Final

import jsonschema
import pytest

from loadgen.counts import Cause, Fault, Phase
from loadgen.results import Result
from loadgen.scenarios import SCENARIOS
from variants.compare import output
from variants.compare.diagnosis import State
from variants.compare.finding import find
from variants.compare.report import Report

from ..conformance.client import eventually
from ..conformance.launching import ROOT, environment
from . import made_up, servers
from .test_report import SCHEMA

#: Seconds without a word after which a comparison hangs.
PATIENCE: Final = 180.0
COMMAND: Final = (sys.executable, "-m", "variants", "compare")
FILES: Final = {"report.html", "report.json", "report.md"}
#: As short as it can be.
SHORT: Final = ("-d", "150ms", "--timeout", "400ms", "--watch-duration", "400ms")

#: Tests of one comparison are where that is made, once.
BAD: Final = pytest.mark.xdist_group("compare-bad")
MATRIX: Final = pytest.mark.xdist_group("compare-matrix")
TOLD: Final = pytest.mark.xdist_group("compare-told")


def compare(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, however long that is: as long as it goes on."""
    argv, said = [*COMMAND, *words], -1
    with subprocess.Popen(
        argv, cwd=cwd, env={**environment(), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        while True:
            try:
                stdout, stderr = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired as expired:
                said, before = len(expired.stderr or ""), said
                if said == before:
                    process.kill()
                    raise
            else:
                return subprocess.CompletedProcess(argv, process.returncode, stdout, stderr)


def read(where: Path) -> Report:
    """Read a report that was written; it is as it must be."""
    assert {path.name for path in where.iterdir()} == FILES
    text = (where / "report.json").read_text()
    jsonschema.validate(json.loads(text), SCHEMA, jsonschema.Draft202012Validator)
    return Report.from_json(text)


def saved(report: Report, path: Path) -> str:
    """Write a report's JSON."""
    path.write_text(json.dumps(report.as_json()))
    return str(path)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, str]:
    """A comparison of our own server with some that nobody wants to have."""
    where = tmp_path_factory.mktemp("bad")
    targets = [
        word
        for kind in ("slow", "crashing", "hanging", "broken")
        for word in ("--target", f"{kind}={servers.command(kind)}")
    ]
    loads = ("--workload", "ping", "--connections", "5", *SHORT)
    done = compare("--only", "scaling,asyncio", *targets, *loads, "--out", "out", cwd=where)
    assert (0, "") == (done.returncode, errors(done.stderr))
    return read(where / "out"), done.stdout


def errors(stderr: str) -> str:
    """What is said on standard error besides how far it is."""
    return "".join(line for line in stderr.splitlines() if " s: " not in line)


def results(report: Report, name: str) -> list[Result]:
    """Those of all runs against one contestant: whatever a busy machine has left of them."""
    return [one.result for one in report.measurements if one.contestant == name and one.result]


@BAD
def test_everyone_is_measured_in_each_round_whatever_becomes_of_him(
    bad: tuple[Report, str],
) -> None:
    """Ours twice, as it is the reference; and each is a row."""
    names = ("asyncio", "slow", "crashing", "hanging", "broken")
    expected = {(name, number, False): 1 for name in names for number in range(5)}
    pairs = {("asyncio", number, True): 1 for number in range(5)}
    measured = ((one.contestant, one.round, one.again) for one in bad[0].measurements)
    assert {**expected, **pairs} == Counter(measured)
    assert [("ping", 5, name) for name in names] == [
        (one.workload, one.connections, one.contestant) for one in find(bad[0]).scaled
    ]


@BAD
def test_a_slow_server_is_no_faster_than_it_is(bad: tuple[Report, str]) -> None:
    """20 ms a request: no reply came sooner, and of no connection more than one after the other."""
    for result in results(bad[0], "slow"):
        assert 0.999 * servers.SLOW <= result.tally.response.min or not result.tally.replies
        assert result.tally.replies <= 5 * result.elapsed / servers.SLOW


@BAD
def test_a_server_that_dies_is_a_row_that_says_so(bad: tuple[Report, str]) -> None:
    """In each round, of the signal it died of."""
    row = next(one for one in find(bad[0]).scaled if one.contestant == "crashing")
    assert 0 == row.rounds
    assert all("it died of SIGSEGV" in failure for failure in row.failures)
    assert "it died of SIGSEGV" in bad[1]


@BAD
def test_a_server_that_hangs_answers_nobody(bad: tuple[Report, str]) -> None:
    """Each request that was sent was given up, of the one error that there is."""
    for result in results(bad[0], "hanging"):
        tally = result.tally
        sent = sum(one.sent for one in tally.commands.values())
        assert (0, sent) == (tally.replies, tally.never_served)
        assert Counter({Fault(Phase.READ, Cause.TIMEOUT): sent}) == tally.lost_requests


@BAD
def test_a_server_that_does_not_start_is_given_up(bad: tuple[Report, str]) -> None:
    """After its second try."""
    row = next(one for one in find(bad[0]).scaled if one.contestant == "broken")
    first, then = row.failures
    assert "it ended with status 1; it said last: no such thing as a server here" in first
    assert "left out" in then


@BAD
def test_what_our_own_server_has_is_told(bad: tuple[Report, str]) -> None:
    """One thread, and memory: of each run that there was."""
    measured = [one for one in bad[0].measurements if one.contestant == "asyncio" and one.result]
    assert measured
    for one in measured:
        assert one.usage is not None
        assert (1, 5) == (one.usage.threads, one.usage.connections)
        assert 0 < one.usage.private_bytes <= one.usage.resident_bytes <= one.usage.virtual_bytes
        assert one.ready_s


@BAD
def test_what_is_made_of_it_is_printed(bad: tuple[Report, str]) -> None:
    """And where the rest is."""
    assert "Who scales? ping: PING" in bad[1]
    assert "Is the difference real? Throughput, as a ratio to asyncio" in bad[1]
    assert f"written: {Path('out') / 'report.html'}" in bad[1]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What is made of such a report where its figures are given: files, and what is printed."""
    where = tmp_path_factory.mktemp("told")
    given = saved(made_up.report(made_up.bad_study()), where / "given.json")
    done = compare("--from", given, "--out", "out", cwd=where)
    assert (0, "") == (done.returncode, done.stderr)
    return where / "out", done.stdout


def cells(text: str, title: str) -> list[list[str]]:
    """What is printed below a title, up to the next empty line: the cells of each line."""
    lines = text.partition(f"{title}\n")[2].partition("\n\n")[0].splitlines()
    return [re.split(" {2,}", line.strip()) for line in lines]


@TOLD
@pytest.mark.parametrize("figure", ["Throughput", "p99"])
def test_a_slow_server_is_slower(told: tuple[Path, str], figure: str) -> None:
    """Ours is as fast as itself; of those that served nobody there is no verdict."""
    head, *rows, note = cells(told[1], f"Is the difference real? {figure}, as a ratio to asyncio")
    assert ("server", "verdict", 1) == (head[0], head[-2], len(note))
    assert {"asyncio (again)": "no difference", "slow": "slower"} == {
        row[0]: row[-1] for row in rows
    }


@TOLD
def test_a_verdict_is_in_the_report(told: tuple[Path, str]) -> None:
    """For programs to read: what was worked out of the rounds."""
    findings = json.loads((told[0] / "report.json").read_text())["findings"]
    assert {"asyncio": "no difference", "slow": "slower"} == {
        one["contestant"]: one["comparisons"]["rate"]["verdict"]
        for one in findings["scaled"]
        if one["comparisons"]
    }
    assert ["crashing", "hanging", "broken"] == [one["contestant"] for one in findings["falls"]]


@TOLD
def test_what_became_of_those_that_served_nobody_is_printed(told: tuple[Path, str]) -> None:
    """Of which error, of which signal, and of what they said last."""
    _, *rows = cells(told[1], "Who falls over, and at how many connections?")
    assert [
        ["crashing", "ping", "5", "0", made_up.DEATH],
        ["hanging", "ping", "5", "0", "5 of 5 clients were never served (read: timeout (25))"],
        ["broken", "ping", "5", "0", made_up.FAILURE],
    ] == rows
    assert f"broken at 5: {made_up.LEFT_OUT}\n" in told[1]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of who stays responsive; where its report is."""
    where = tmp_path_factory.mktemp("matrix")
    only = "asyncio,iterative,nothing,long-wait,slow-sender"
    done = compare("--only", only, *SHORT, "--out", "out", cwd=where)
    assert (0, "") == (done.returncode, errors(done.stderr))
    return where / "out"


@MATRIX
def test_a_server_for_one_client_answers_nobody_beside_it(matrix: Path) -> None:
    """Who makes trouble is that one; of ours, and of nothing, there is a cell as well."""
    report = read(matrix)
    scenarios = ("nothing", "long-wait", "slow-sender")
    found = {(one.contestant, one.scenario): one for one in find(report).watched}
    assert set(product(("asyncio", "iterative"), scenarios)) == set(found)
    for scenario in scenarios[1:]:
        one = found["iterative", scenario]
        assert 0 == one.answered
        assert one.state in {State.PARALYSED, State.FAILED}  # did it answer in time before?
        assert one.reason
    for seen in report.observations:
        if seen.result:
            assert 80 == seen.result.tally.planned  # 200 a second for 400 ms
            assert SCENARIOS[seen.scenario].clients == seen.made.clients
        assert seen.contestant == "asyncio" or seen.made.served <= 1


@MATRIX
def test_a_report_is_rendered_again(matrix: Path, tmp_path: Path) -> None:
    """From its JSON alone: nothing is measured, and it is the same."""
    done = compare("--from", str(matrix / "report.json"), "--out", "again", cwd=tmp_path)
    assert (0, "") == (done.returncode, done.stderr)
    for name in FILES:
        assert (matrix / name).read_text() == (tmp_path / "again" / name).read_text(), name


def test_a_paralysed_server_is_told_with_the_reason(tmp_path: Path) -> None:
    """Beside trouble, and not without; others have their figures."""
    done = compare("--from", saved(made_up.report(), tmp_path / "x"), "--out", "out", cwd=tmp_path)
    assert 0 == done.returncode
    head, *rows = cells(done.stdout, "A bystander's PING beside trouble: p99")
    found = {row[0]: dict(zip(head, row[1:], strict=True)) for row in rows[:4]}
    never = {name for name, text in found["iterative"].items() if text == "NEVER"}
    assert {*SCENARIOS} - {"nothing"} == never
    assert "NEVER" not in found["asyncio"].values()
    assert "iterative: paralysed: none of 400 PINGs was answered: it serves one" in done.stdout


def test_what_got_worse_than_the_baseline_is_status_99(tmp_path: Path) -> None:
    """Unless so much is allowed."""
    new, old = made_up.report(), made_up.report()
    for one in old.measurements:
        for agent in one.result.agents if one.result else ():
            assert agent.vitals is not None
            object.__setattr__(agent.vitals, "elapsed_s", agent.vitals.elapsed_s / 3)
    files = ("--from", saved(new, tmp_path / "new.json"), "--baseline")
    words = (*files, saved(old, tmp_path / "old.json"), "--out", "out")
    worse = compare(*words, cwd=tmp_path)
    assert 99 == worse.returncode
    assert "PAST THE THRESHOLD" in worse.stdout
    assert json.loads((tmp_path / "out" / "report.json").read_text())["changes"]
    assert 0 == compare(*words, "--threshold", "80%", cwd=tmp_path).returncode


def children(pid: int) -> list[int]:
    """Those a process has started that are there yet."""
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid: int) -> bool:
    """Whether a process has ended; somebody else may yet have to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_writes_what_it_has(number: signal.Signals, tmp_path: Path) -> None:
    """Marked as partial; nobody is left running."""
    words = (*COMMAND, "--only", "scaling,asyncio", "--connections", "2", *SHORT, "--out", "out")
    with subprocess.Popen(
        words, cwd=tmp_path, env={**environment(), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert "asyncio" in process.stderr.readline()  # one is done
        assert eventually(lambda: len(children(process.pid)) > 1)  # another one is begun
        begun = children(process.pid)
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE)
    assert 130 == process.returncode
    assert said.endswith("compare: interrupted: the report is partial\n")
    assert "Traceback" not in said
    report = read(tmp_path / "out")
    assert report.partial
    assert 0 < len(report.measurements) < 30
    assert "PARTIAL" in (tmp_path / "out" / "report.md").read_text()
    assert eventually(lambda: all(map(gone, begun))), [
        Path(f"/proc/{pid}/cmdline").read_bytes() for pid in begun if not gone(pid)
    ]


def test_interrupted_with_nobody_to_tell_it_writes_what_it_has(tmp_path: Path) -> None:
    """As with ``| tee``, which Ctrl-C ends first."""
    words = (*COMMAND, "--only", "scaling,asyncio", "--connections", "2", *SHORT, "--out", "out")
    with subprocess.Popen(
        words, cwd=tmp_path, env={**environment(), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stderr.readline()
        process.stderr.close()
        process.stdout.close()
        process.send_signal(signal.SIGINT)
        assert 130 == process.wait(PATIENCE)
    assert read(tmp_path / "out").partial


def test_where_threads_fall_over_it_is_said_at_how_many(tmp_path: Path) -> None:
    """A memory limit is soon used up by their stacks."""
    done = compare(
        "--only", "scaling,threads", "--workload", "ping", "--connections", "100",
        "--memory-limit", "300M", *SHORT, "--out", "out", cwd=tmp_path,
    )  # fmt: skip
    assert 0 == done.returncode
    found = find(read(tmp_path / "out"))
    (fall,) = found.falls
    assert ("threads", 100) == (fall.contestant, fall.connections)
    assert fall.served < 100
    assert "read: busy" in found.scaled[0].error_kinds


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--only", "asyncoi"], "there is no 'asyncoi'"),
        (["--rounds", "4"], "4 is not in the range x>=5"),
        (["--cpus", "0:0"], "they would compete"),
        (["--target", "x=./server"], "where the port goes"),
        (["--workload", "pong"], "none of ping, paced, burn, mix"),
        (["--workload", "a=PING=x"], "no weight"),
        (["--connections", "0"], "not in the range"),
        (["--memory-limit", "lots"], "not a size"),
        (["--threshold", "200%"], "not from 0 % to below 100 %"),
        (["--threshold", "x"], "not a share"),
        (["--against", "uvloop", "--only", "trio"], "'uvloop' is not among"),
        (["--service", "examples.greeter:service"], "needs --workload"),
        (["--service", "no.such:thing", "--workload", "x=X"], "no.such"),
        (["--from", "nowhere.json"], "does not exist"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    words: list[str], complaint: str, tmp_path: Path
) -> None:
    """Before anything is measured or written."""
    done = compare(*words, cwd=tmp_path)
    assert 2 == done.returncode
    assert complaint in done.stderr.splitlines()[-1]
    assert not done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["--from"], ["--from", "x", "--baseline"]])
def test_what_is_no_report_is_said_in_one_line(words: list[str], tmp_path: Path) -> None:
    """And which file it is."""
    saved(made_up.report(), tmp_path / "x")
    (tmp_path / "empty.json").write_text("{}")
    done = compare(*words, "empty.json", cwd=tmp_path)
    assert (1, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert "empty.json is no report" in done.stderr


def test_a_directory_that_cannot_be_made_is_said_first(tmp_path: Path) -> None:
    """Not after an hour of work."""
    (tmp_path / "file").write_text("")
    done = compare("--quick", "--out", "file/out", cwd=tmp_path)
    assert (1, "compare: file/out cannot be made: Not a directory\n") == (
        done.returncode, done.stderr,
    )  # fmt: skip


def test_what_the_page_needs_is_said_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to get it."""
    monkeypatch.setattr(output, "find_spec", lambda name: None if name == "plotly" else name)
    with pytest.raises(output.CannotWrite, match=r"plotly: pip install 'dumb_async\[compare\]'"):
        output.prepare(tmp_path)


def test_another_reference_is_one_of_those_that_were_compared(tmp_path: Path) -> None:
    """The report is rendered again beside it; nobody else will do."""
    words = ("--from", saved(made_up.report(), tmp_path / "x.json"), "--out", "out", "--against")
    done = compare(*words, "threads", cwd=tmp_path)
    assert 0 == done.returncode
    assert "as a ratio to threads" in done.stdout
    done = compare(*words, "nobody", cwd=tmp_path)
    assert 2 == done.returncode
    assert "'nobody' is not among those" in done.stderr


def test_there_is_a_list(tmp_path: Path) -> None:
    """Of everything that can be compared."""
    done = compare("--list", cwd=tmp_path)
    assert 0 == done.returncode
    listed = [line.split()[0] for line in done.stdout.splitlines()]
    assert {"matrix", "asyncio", "iterative", "long-wait", "ping"} <= set(listed)


def test_a_service_of_ones_own_is_compared(tmp_path: Path) -> None:
    """By its own requests."""
    done = compare(
        "--only", "epoll", "--service", "examples.greeter:service",
        "--workload", "echo=ECHO Ada", "--connections", "3", *SHORT, "--out", "out",
        cwd=tmp_path,
    )  # fmt: skip
    assert (0, "") == (done.returncode, errors(done.stderr))
    report = read(tmp_path / "out")
    assert ["epoll"] == [one.contestant for one in find(report).scaled]
    assert all(one.ready_s for one in report.measurements)  # it has answered one of them rightly
    for result in results(report, "epoll"):
        assert {"ECHO Ada"} == set(result.tally.commands)
        causes = {fault.cause for fault in result.tally.lost_requests}
        assert causes.isdisjoint({Cause.WRONG_REPLY, Cause.REJECTED})


def render(*words: str, stdout: int | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Render a report again, with this for its standard output."""
    return subprocess.run(
        [*COMMAND, *words], cwd=ROOT, env={**environment(), **more}, text=True, check=False,
        stdout=stdout or subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE,
    )  # fmt: skip


@pytest.fixture
def old(tmp_path: Path) -> str:
    """A report that was measured for an hour."""
    return saved(made_up.report(), tmp_path / "old.json")


def test_where_it_cannot_be_written_it_is_written_elsewhere(old: str, tmp_path: Path) -> None:
    """And shown all the same; one line says where it is, and the status is 1."""
    (tmp_path / "out").write_text("a file is where the directory was to be")
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    done = render("--from", old, "--out", str(tmp_path / "out"), TMPDIR=str(elsewhere))
    assert 2 == done.returncode  # click has looked at it
    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "report.json.part").mkdir()  # so that it cannot be written, even by root
    done = render("--from", old, "--out", str(locked), TMPDIR=str(elsewhere))
    assert (1, 1) == (done.returncode, len(done.stderr.splitlines())), done.stderr
    assert "Who stays responsive?" in done.stdout
    (where,) = elsewhere.iterdir()
    assert FILES == {path.name for path in where.iterdir()}
    assert str(where) in done.stdout


def test_where_it_cannot_be_written_at_all_it_is_shown(old: str, tmp_path: Path) -> None:
    """Nothing that was measured is lost to where it was to go."""
    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "report.json.part").mkdir()
    done = render("--from", old, "--out", str(locked), TMPDIR="/proc")
    assert (1, 1) == (done.returncode, len(done.stderr.splitlines())), done.stderr
    assert "Is the difference real?" in done.stdout


def test_it_is_written_whatever_becomes_of_what_is_shown(old: str, tmp_path: Path) -> None:
    """A full disk behind it, a reader who has gone, an encoding without its signs."""
    out = tmp_path / "out"
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = render("--from", old, "--out", str(out), stdout=full.fileno())
    assert (1, 1) == (done.returncode, len(done.stderr.splitlines())), done.stderr
    read(out)
    reader, writer = os.pipe()
    os.close(reader)
    done = render("--from", old, "--out", str(tmp_path / "two"), stdout=writer)
    os.close(writer)
    assert (0, "") == (done.returncode, done.stderr)
    read(tmp_path / "two")
    done = render("--from", old, "--out", str(out), PYTHONIOENCODING="ascii")
    assert (0, "") == (done.returncode, done.stderr)
    assert "us" in done.stdout
    assert done.stdout.isascii()
