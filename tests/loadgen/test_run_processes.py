"""The processes of a run: interrupted, killed, short of descriptors; none is left behind."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from loadgen.commands import status
from loadgen.results import Result

from ..conformance.client import eventually
from . import faulty
from .conftest import Finished, Running
from .faulty import Faulty, Recorder

Run = Callable[..., Finished]
Start = Callable[..., Running]


def test_descriptors_do_not_suffice(run: Run) -> None:
    """It is said in one line before the start; who gets none is counted, and the run goes on."""
    with Faulty(faulty.lavish) as server:
        words = ("-c", "40", "-d", "200ms", "-o", "json", "-q", "--reconnect-delay", "1s")
        finished = run(server.target, *words, limit="-n 40")

    assert status.of(Result.from_json(finished.stdout)) == finished.status, finished.stderr
    assert re.match(r"loadgen: 40 connections a process are asked for", finished.stderr)
    assert finished.faults["connect: emfile"]["connections"] >= 1
    made = finished.json["connections"]["made"]
    assert 8 <= made < 40
    assert 40 - made == finished.json["connections"]["never_served"]


def test_descriptors_are_raised(run: Run) -> None:
    """A soft limit that is too low is no matter, and not worth a word."""
    with Faulty(faulty.lavish) as server:
        words = ("-c", "40", "-n", "40", "-o", "json", "-q")
        finished = run(server.target, *words, limit="-S -n 40")

    assert 40 == finished.json["connections"]["made"]
    assert "descriptors" not in finished.stderr


def test_far_too_few_descriptors(run: Run) -> None:
    """Where not even an agent can begin, one more line says so: it is no crash."""
    finished = run("127.0.0.1:9", "-c", "1", "-q", limit="-n 18")

    assert 1 == finished.status
    assert "18 descriptors" in finished.stderr.splitlines()[-1]
    assert "ulimit" in finished.stderr.splitlines()[-1]


def test_interrupted(start: Start, tmp_path: Path) -> None:
    """Status 130 after Ctrl-C, and the result so far is printed and saved."""
    out, recorder = tmp_path / "result.json", Recorder()
    with Faulty(recorder) as server:
        words = ("-R", "50", "-d", "60s", "-c", "2", "-o", "json", "--out", str(out))
        running = start(server.target, *words)
        running.await_line(r"2 connected")
        assert eventually(lambda: recorder.asked.total() > 0)
        running.interrupt()
        finished = running.finish()

    assert 130 == finished.status, finished.stderr
    assert finished.json["interrupted"]
    assert finished.json["requests"] == finished.json["sent"] > 0
    assert finished.json == json.loads(out.read_text())


def test_interrupted_twice(start: Start) -> None:
    """A server that stands still is not waited for: the second Ctrl-C ends it at once."""
    with Faulty(faulty.mute) as server:
        words = ("-d", "60s", "--timeout", "60s", "-c", "2", "-o", "json")
        running = start(server.target, *words)
        running.await_line(r"2 connected")
        running.interrupt()
        with pytest.raises(subprocess.TimeoutExpired):
            running.finish(0.3)
        running.interrupt()
        finished = running.finish(10)

    assert 130 == finished.status, finished.stderr
    assert finished.json["interrupted"]


def test_interrupted_while_agents_begin(start: Start) -> None:
    """They hear of Ctrl-C from nobody but their crew: there is no trace of it."""
    with faulty.full_backlog() as (host, port):
        running = start(f"{host}:{port}", "-c", "3", "--workers", "3", "-o", "json")
        running.await_line("PING at")
        running.interrupt()
        finished = running.finish(10)

    assert 130 == finished.status, finished.stderr
    assert all(re.match("PING at|loadgen: ", line) for line in finished.stderr.splitlines())


def test_interrupted_while_it_connects(start: Start) -> None:
    """Connections under way are not waited for, however long they may take."""
    with faulty.full_backlog() as (host, port):
        others = connecting_to(port)
        words = ("-c", "3", "--connect-timeout", "60s", "-o", "json")
        running = start(f"{host}:{port}", *words)
        running.await_line("PING at")
        assert eventually(lambda: others + 3 <= connecting_to(port))
        running.interrupt()
        finished = running.finish(10)

    assert 130 == finished.status, finished.stderr
    assert finished.json["interrupted"]
    assert 0 == finished.json["sent"]


def test_a_lost_agent(start: Start) -> None:
    """Status 1; the result is partial, says whose share is lost, and has what others did."""
    with Faulty(Recorder()) as server:
        words = ("-R", "100", "-d", "2s", "-c", "4", "--workers", "2")
        running = start(server.target, *words)
        running.await_line(r"4 connected")
        os.kill(min(running.agents()), signal.SIGKILL)
        finished = running.finish()

    assert 1 == finished.status, finished.stderr
    assert re.search(r"PARTIAL: lost agents [01]/2", finished.stdout)


def test_all_agents_are_lost(start: Start) -> None:
    """Status 1, and one line on what became of it."""
    with Faulty(Recorder()) as server:
        running = start(server.target, "-R", "100", "-d", "20s", "-c", "1", "--out", "/dev/null")
        running.await_line(r"1 connected")
        os.kill(running.agents()[0], signal.SIGKILL)
        finished = running.finish()

    assert 1 == finished.status
    assert "an agent was lost (exit status -9)" in finished.stderr.splitlines()[-1]


def test_agents_end_with_their_parent(start: Start) -> None:
    """Nobody is left behind by a command that was killed."""
    with Faulty(Recorder()) as server:
        running = start(server.target, "-R", "100", "-d", "60s", "-c", "2", "--workers", "2")
        running.await_line(r"2 connected")
        assert 2 == len(running.agents())
        os.kill(running.pid, signal.SIGKILL)
        assert eventually(lambda: not running.group()), running.group()


def connecting_to(port: int) -> int:
    """How many sockets wait for a connection to ``port``: they are in SYN_SENT (proc_net(5))."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "02" for row in rows)
