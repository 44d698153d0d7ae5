"""``python -m variants compare``, as it is used: real servers, good and bad, and its files."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import jsonschema
import pytest

from variants.compare import output
from variants.compare.diagnosis import State
from variants.compare.finding import find
from variants.compare.report import Report
from variants.compare.statistics import Verdict

from ..conformance.client import eventually
from ..conformance.launching import ROOT, environment
from . import made_up, servers
from .test_report import SCHEMA

#: Seconds after which a comparison hangs.
PATIENCE: Final = 180.0
COMMAND: Final = (sys.executable, "-m", "variants", "compare")
FILES: Final = {"report.html", "report.json", "report.md"}
#: As short as it can be.
SHORT: Final = ("-d", "150ms", "--timeout", "400ms", "--watch-duration", "400ms")

#: Tests of one comparison are where that is made, once.
BAD: Final = pytest.mark.xdist_group("compare-bad")
MATRIX: Final = pytest.mark.xdist_group("compare-matrix")


def compare(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*COMMAND, *words], cwd=cwd, env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def read(where: Path) -> Report:
    """Read a report that was written; it is as it must be."""
    assert {path.name for path in where.iterdir()} == FILES
    text = (where / "report.json").read_text()
    jsonschema.validate(json.loads(text), SCHEMA, jsonschema.Draft202012Validator)
    return Report.from_json(text)


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


@BAD
def test_a_slow_server_is_slower(bad: tuple[Report, str]) -> None:
    """20 ms a request beside less than one."""
    rows = {one.contestant: one for one in find(bad[0]).scaled}
    assert Verdict.SLOWER is rows["slow"].comparisons["rate"].verdict
    assert Verdict.SLOWER is rows["slow"].comparisons["p99"].verdict
    assert rows["slow"].comparisons["rate"].estimate.ratio < 0.5
    assert 5 == rows["slow"].rounds


@BAD
def test_a_server_that_dies_is_a_row_that_says_so(bad: tuple[Report, str]) -> None:
    """In each round, of the signal it died of."""
    row = next(one for one in find(bad[0]).scaled if one.contestant == "crashing")
    assert 0 == row.rounds
    assert all("it died of SIGSEGV" in failure for failure in row.failures)
    assert "it died of SIGSEGV" in bad[1]


@BAD
def test_a_server_that_hangs_is_a_row_that_says_so(bad: tuple[Report, str]) -> None:
    """Nobody was served, and by which error."""
    row = next(one for one in find(bad[0]).scaled if one.contestant == "hanging")
    assert (None, 5) == (row.rate, row.never_served)
    assert {"read: timeout": 25} == row.error_kinds
    fall = next(one for one in find(bad[0]).falls if one.contestant == "hanging")
    assert (5, 0) == (fall.connections, fall.served)


@BAD
def test_a_server_that_does_not_start_is_given_up(bad: tuple[Report, str]) -> None:
    """After its second try."""
    row = next(one for one in find(bad[0]).scaled if one.contestant == "broken")
    first, then = row.failures
    assert "it ended with status 1; it said last: no such thing as a server here" in first
    assert "left out" in then


@BAD
def test_what_our_own_server_uses_is_told(bad: tuple[Report, str]) -> None:
    """One thread; CPU, memory and switches that are more than nothing."""
    row = next(one for one in find(bad[0]).scaled if one.contestant == "asyncio")
    assert (5, 0, 0, 1) == (row.rounds, row.errors, row.never_served, row.threads)
    for figure in (row.rate, row.cpu_us, row.resident_bytes, row.virtual_bytes, row.voluntary):
        assert figure
    assert {"rate", "p99", "cpu"} == set(row.comparisons)


@BAD
def test_what_is_made_of_it_is_printed(bad: tuple[Report, str]) -> None:
    """And where the rest is."""
    assert "Who scales? ping: PING" in bad[1]
    assert "asyncio (again)" in bad[1]
    assert f"written: {Path('out') / 'report.html'}" in bad[1]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of who stays responsive; where its report is."""
    where = tmp_path_factory.mktemp("matrix")
    only = "asyncio,iterative,nothing,long-wait,slow-sender"
    done = compare("--only", only, *SHORT, "--out", "out", cwd=where)
    assert (0, "") == (done.returncode, errors(done.stderr))
    return where / "out"


@MATRIX
def test_iterative_is_paralysed_and_asyncio_is_not(matrix: Path) -> None:
    """Named, with the reason; alone the iterative server is as well as any."""
    found = {(one.contestant, one.scenario): one for one in find(read(matrix)).watched}
    assert State.PARALYSED is not found["iterative", "nothing"].state
    for scenario in ("long-wait", "slow-sender"):
        one = found["iterative", scenario]
        assert (State.PARALYSED, 0) == (one.state, one.answered)
        assert "serves one client at a time" in one.reason
        other = found["asyncio", scenario]
        assert State.PARALYSED is not other.state
        assert other.asked == other.answered > 0


@MATRIX
def test_a_report_is_rendered_again(matrix: Path, tmp_path: Path) -> None:
    """From its JSON alone: nothing is measured, and it is the same."""
    done = compare("--from", str(matrix / "report.json"), "--out", "again", cwd=tmp_path)
    assert (0, "") == (done.returncode, done.stderr)
    for name in FILES:
        assert (matrix / name).read_text() == (tmp_path / "again" / name).read_text(), name
    assert "NEVER" in done.stdout


def saved(report: Report, path: Path) -> str:
    """Write a report's JSON."""
    path.write_text(json.dumps(report.as_json()))
    return str(path)


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
    fall = find(read(tmp_path / "out")).falls[0]
    assert ("threads", 100) == (fall.contestant, fall.connections)
    assert 0 < fall.served < 100
    assert "busy" in fall.reason


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--only", "asyncoi"], "there is no 'asyncoi'"),
        (["--rounds", "4"], "4 is not in the range x>=5"),
        (["--cpus", "0:0"], "they would compete"),
        (["--target", "x=./server"], "where the port goes"),
        (["--workload", "pong"], "none of ping, burn, mix"),
        (["--workload", "a=PING=x"], "no weight"),
        (["--connections", "0"], "not more than 0"),
        (["--memory-limit", "lots"], "no size"),
        (["--threshold", "200%"], "not from 0 % to below 100 %"),
        (["--threshold", "x"], "not from 0 % to below 100 %"),
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
    rows = find(read(tmp_path / "out")).scaled
    assert [("epoll", 0)] == [(one.contestant, one.errors) for one in rows]
    assert all(one.rate for one in rows)
