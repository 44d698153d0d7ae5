"""find-max, sweep, c10k, merge and report: the commands, beside a real server."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadgen.engine import Options
from loadgen.plan import Mix, Plan, Profile, Think

from ..conformance.launching import ROOT, environment
from ..conformance.process import Server
from .conftest import Planned

Serve = Callable[..., Server]


def loadgen(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; no trace is ever seen."""
    ended = subprocess.run(
        [sys.executable, "-m", "loadgen", *words],
        cwd=ROOT, env=environment({"COLUMNS": "100"}), capture_output=True, text=True, timeout=180,
        check=False,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


@pytest.fixture
def target(serve: Serve) -> str:
    """Where a server is."""
    return "{}:{}".format(*serve().address)


def test_a_search_is_what_its_steps_are(serve: Serve, tmp_path: Path) -> None:
    """A server that lets each of two clients wait for 20 ms cannot hold 240 a second.

    Whether it holds 60 or 120, a busy machine has its part in; see `test_verdicts`.
    """
    host, port = serve().address
    out = tmp_path / "found.json"
    ended = loadgen(
        "find-max", f"{host}:{port}", "-c", "2", "--mix", "WAIT 0.02", "--start", "60", "--step",
        "500ms", "--precision", "1", "--slo", "p50<200ms", "--slo", "errors<1%", "-o", "json",
        "--out", str(out),
    )  # fmt: skip
    found: Any = json.loads(ended.stdout)
    assert json.loads(out.read_text()) == found
    assert "dumb_async.loadgen.find-max/1" == found["schema"]
    steps = found["steps"]
    held = [step["rate_per_s"] for step in steps if step["held"]]
    assert 0 <= found["max_rate_per_s"] <= max(held, default=0) < 150
    for step in steps:
        assert step["valid"] is not bool(step["result"]["doubts"])
        assert step["valid"] or not step["held"]
    status = 3 if found["limited_by_generator"] else 0 if found["max_rate_per_s"] else 99
    assert (status, len(steps)) == (ended.returncode, ended.stderr.count("answered"))


def test_a_condition_that_cannot_be_met_is_said_so(target: str) -> None:
    """With the status of a threshold that was missed."""
    ended = loadgen(
        "find-max", target, "--start", "4", "--step", "200ms", "--slo", "rate<0",
        "--precision", "1",
    )  # fmt: skip
    assert "not even the lowest rate" in ended.stdout
    assert ended.returncode in {3, 99}


def test_a_sweep_measures_every_load_and_the_first_again(target: str, tmp_path: Path) -> None:
    """In increasing order; each point has its whole result. Every reply is of use."""
    out = tmp_path / "curve.json"
    ended = loadgen(
        "sweep", target, "--over", "rate=200,100", "--step", "500ms", "--good", "1h", "-o", "json",
        "--out", str(out),
    )  # fmt: skip
    curve: Any = json.loads(ended.stdout)
    assert json.loads(out.read_text()) == curve
    assert ("dumb_async.loadgen.sweep/1", "rate") == (curve["schema"], curve["over"])
    points = [*curve["points"], curve["afterwards"]]
    assert [100, 200, 100] == [point["offered"] for point in points]
    assert [50, 100, 50] == [point["result"]["planned"] for point in points]
    assert curve["knee"] in {100, 200}
    assert curve["recovery"] > 0
    assert ended.returncode in {0, 3}


def test_a_sweep_over_connections_is_a_table_for_people(target: str) -> None:
    """A line for each, and the knee marked."""
    words = ("--over", "connections=1,3", "--step", "300ms", "--good", "1h")
    ended = loadgen("sweep", target, *words)
    lines = ended.stdout.splitlines()
    assert lines[0].split()[0] == "connections"
    assert ["1", "3", "1"] == [line.split()[0] for line in lines[1:4]]
    assert 1 == ended.stdout.count("◀ knee")
    assert "afterwards" in ended.stdout


@pytest.mark.parametrize("over", ["rate", "rate=", "clients=1", "connections=1.5", "rate=0,5"])
def test_what_cannot_be_swept_is_said_in_a_line(over: str) -> None:
    """As a usage error."""
    ended = loadgen("sweep", "127.0.0.1:9", "--over", over)
    assert 2 == ended.returncode
    assert "--over" in ended.stderr


@pytest.mark.parametrize("command", [("find-max",), ("sweep", "--over", "rate=10")])
def test_without_a_server_it_ends_at_once(command: tuple[str, ...]) -> None:
    """With one line that says so."""
    ended = loadgen(command[0], "127.0.0.1:1", *command[1:])
    assert 1 == ended.returncode
    assert "refused" in ended.stderr
    assert 1 == len(ended.stderr.strip().splitlines())


def test_c10k_is_a_run_with_its_options(target: str) -> None:
    """Those that follow count, also where they are given again."""
    ended = loadgen("c10k", target, "20", "-d", "500ms", "--think", "20ms", "-q", "-o", "json")
    result = json.loads(ended.stdout)
    assert 20 == result["connections"]["clients"]
    assert ["BURN 300"] == list(result["commands"])
    assert (3.0, 1.0) == (
        result["arguments"]["timeout"],
        result["arguments"]["reconnect_delay"],
    )
    assert "0.02s" == result["arguments"]["think"]
    assert (20, 0) == (result["connections"]["made"], result["connections"]["never_served"])


def test_c10k_is_what_dan_kegel_asked_for(planned: Planned) -> None:
    """A thousand clients, and that they BURN a little again and again; or what is given."""
    job = planned("c10k", "127.0.0.1:9", "-d", "5s")
    plan = Plan(Mix.parse("BURN 300"), Profile.constant(1000, 5), seconds=5, think=Think(0.1))
    assert (plan, Options(timeout=3, reconnect_delay=1)) == (job.plan, job.options)
    job = planned("c10k", "127.0.0.1:9", "20", "-d", "5s", "--think", "20ms")
    given = replace(plan, clients=Profile.constant(20, 5), think=Think(0.02))
    assert (given, Options(timeout=3, reconnect_delay=1)) == (job.plan, job.options)


def test_results_are_added_up_and_shown_again(target: str, tmp_path: Path) -> None:
    """Count by count; a threshold can be asked of them afterwards."""
    files = [tmp_path / "1.json", tmp_path / "2.json"]
    for file, count in zip(files, ("30", "12"), strict=True):
        loadgen("run", target, "-n", count, "-c", "3", "-q", "--out", str(file))
    both = tmp_path / "both.json"
    assert 0 == loadgen("merge", *map(str, files), "--out", str(both)).returncode
    merged = json.loads(both.read_text())
    assert (42, 42) == (merged["requests"], merged["response_s"]["count"])
    assert merged == json.loads(loadgen("merge", *map(str, files)).stdout)
    assert 2 == len(merged["agents"])
    shown = loadgen("report", str(both), "--threshold", "requests>=42")
    assert "42 replies" in shown.stdout
    assert "met  requests>=42" in shown.stdout
    assert loadgen("report", str(both), "-o", "csv").stdout.count("\n") == 3


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": "dumb_async.loadgen.result/9"}'])
@pytest.mark.parametrize("command", ["merge", "report"])
def test_what_is_no_result_is_said_so(command: str, text: str, tmp_path: Path) -> None:
    """In one line, with the status of wrong usage."""
    file = tmp_path / "no.json"
    file.write_text(text)
    ended = loadgen(command, str(file))
    assert (2, "") == (ended.returncode, ended.stdout)
    assert f"{file} is no result" in ended.stderr
    assert 1 == len(ended.stderr.strip().splitlines())
