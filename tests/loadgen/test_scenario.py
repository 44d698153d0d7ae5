"""``scenario``: trouble is really made, and servers that it stops are told from others."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from loadgen.conducting import CannotRun
from loadgen.counts import Cause
from loadgen.engine import Target
from loadgen.results import Threshold
from loadgen.scenarios import (
    SCENARIOS,
    Beside,
    Played,
    Scenario,
    Verdict,
    play,
    play_all,
    playing,
)
from loadgen.scenarios.crowd import Crowd
from loadgen.scenarios.playing import recovery
from loadgen.scenarios.trouble import FastReader, Flood, Trouble

from ..conformance import servers
from ..conformance.launching import ROOT, Drain, environment, free_port
from ..conformance.process import Server
from .conftest import PATIENCE
from .faulty import Faulty, deaf, lavish, lines
from .test_search_commands import loadgen

Serve = Callable[..., Server]

#: No test is about how fast a server is.
LENIENT = Beside(
    slo=(Threshold.parse("p99<20s"),), seconds=0.5, rate=50, timeout=20, patience=20
)  # fmt: skip
#: The same, on a command line.
PATIENT = ("--slo", "p99<20s", "--timeout", "20s", "--patience", "20s")


def few(*names: str, clients: int = 3) -> list[Scenario]:
    """These scenarios, with as many clients as a busy machine has time for."""
    return [
        replace(one, clients=clients) if (one := SCENARIOS[name]).kind else one for name in names
    ]


@pytest.fixture
def iterative() -> Iterator[Target]:
    """A server that serves one client at a time."""
    argv = (sys.executable, "-m", "variants", "iterative", "--port", "0", "--no-metrics")
    with ExitStack() as stack:
        server = Server(servers.Target("iterative", argv))
        stack.callback(server.kill)
        yield Target(*server.address)


@pytest.fixture
def target(serve: Serve) -> Target:
    """Our own server."""
    return Target(*serve().address)


def test_a_server_for_one_client_is_stopped_by_trouble(iterative: Target) -> None:
    """It serves the first of those who make it, and the bystander never; but it recovers."""
    beside = Beside(seconds=0.3, rate=50, timeout=0.3, patience=20)
    names = ("idle", "long-wait", "slow-sender", "slow-reader", "big-burn")
    for played in play_all(few(*names), iterative, beside):
        name = played.scenario.name
        assert Verdict.MISSED is played.verdict, name
        assert 1 == played.made.served, name
        assert not played.made.enough, name
        assert played.recovery is not None, name
        assert played.bystander is not None, name
        tally = played.bystander.tally
        assert 0 == tally.replies, name
        assert 15 == tally.planned == tally.at_least.total, name
        assert {Cause.TIMEOUT} == {fault.cause for fault in tally.lost_requests}, name


def test_one_client_alone_is_no_trouble_for_it(iterative: Target) -> None:
    """The baseline is held by a server that everything else stops."""
    played = play(SCENARIOS["nothing"], iterative, LENIENT)
    assert Verdict.HELD is played.verdict
    assert 0 == played.made.clients


def test_our_server_holds_whatever_is_done_to_it(target: Target) -> None:
    """All trouble is made, which is seen by what it is made of, and nobody else gets to feel it."""
    results = {one.scenario.name: one for one in play_all(few(*SCENARIOS), target, LENIENT)}
    assert list(SCENARIOS) == list(results)
    for name, played in results.items():
        assert Verdict.HELD is played.verdict, (name, played)
        assert played.bystander is not None
        assert 25 == played.bystander.tally.replies == played.bystander.tally.planned, name
        if played.scenario.kind:
            assert 3 == played.made.served == played.made.held == played.made.connected, name
    made = {name: played.made for name, played in results.items()}
    assert 3 * len("PONG\n") == made["idle"].received
    for quiet in ("long-wait", "big-burn"):
        assert 3 == made[quiet].replies, quiet
    assert made["slow-sender"].sent <= 3 * (made["slow-sender"].seconds / 0.1 + 1)
    for busy in ("slow-sender", "pipelining"):
        assert made[busy].replies >= 3, busy
    assert 0 == made["slow-reader"].received < made["stream"].received


def crowd_of(kind: Trouble, server: Faulty, until: Callable[[Crowd], bool]) -> Crowd:
    """Let one client make trouble until it has come to that."""
    crowd = Crowd((socket.AF_INET, server.address), 1, kind)
    deadline = monotonic() + PATIENCE
    try:
        while not until(crowd):
            assert monotonic() < deadline
            crowd.turn(monotonic() + 0.1)
    finally:
        crowd.close()
    return crowd


def test_a_stream_is_read_for_as_long_as_it_comes() -> None:
    """All of it, of which the kernel has room for a part only."""
    size = 20_000_000
    asked: list[bytes] = []

    def streaming(connection: socket.socket) -> None:
        asked.append(next(lines(connection)))
        connection.sendall(b"A" * size)
        deaf(connection)

    with Faulty(streaming) as server:
        crowd = crowd_of(FastReader(), server, lambda crowd: crowd.received >= size)
    assert ([b"STREAM 1000000000000"], size) == (asked, crowd.received)


def test_who_pings_without_a_pause_waits_for_no_reply() -> None:
    """Whole lines, and all replies are counted, however late they come."""
    asked: list[bytes] = []

    def late(connection: socket.socket) -> None:
        asked.extend(islice(lines(connection), 50_000))
        connection.sendall(b"PONG\n" * 50_000)
        deaf(connection)

    kind = Flood()
    with Faulty(late) as server:
        crowd = crowd_of(kind, server, lambda _: kind.replies >= 50_000)
    assert {b"PING"} == set(asked)
    assert (50_000, 250_000) == (kind.replies, crowd.received)


def test_a_server_that_does_not_recover_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would have followed is skipped, and is no success."""
    seen = threading.Event()

    def stopping(connection: socket.socket) -> None:
        for line in lines(connection):
            if line.startswith(b"WAIT"):
                seen.set()
            elif not seen.is_set():
                connection.sendall(b"PONG\n")

    monkeypatch.setattr(playing, "recovery", lambda address, _: recovery(address, 0.2))
    with Faulty(stopping) as server:
        beside = replace(LENIENT, timeout=0.2)
        waits, idle = play_all(few("long-wait", "idle", clients=1), Target(*server.address), beside)
    assert (Verdict.MISSED, None) == (waits.verdict, waits.recovery)
    assert Verdict.SKIPPED is idle.verdict
    assert idle.bystander is None


def test_a_server_that_recovers_is_waited_for() -> None:
    """Until it answers, and not longer: others have told it that they were full."""
    left = iter([b"SERVER_BUSY\n", b"SERVER_BUSY\n", b"PONG\n"])

    def filled(connection: socket.socket) -> None:
        next(lines(connection), None)
        connection.sendall(next(left))

    with Faulty(filled) as server:
        found = recovery((socket.AF_INET, server.address), PATIENCE)
    assert None is next(left, None)
    assert found is not None
    assert 0 < found < PATIENCE


def test_trouble_that_was_not_made_proves_nothing() -> None:
    """A server that says something to a WAIT at once had no long WAIT."""
    with Faulty(lavish) as server:
        played = play(few("long-wait")[0], Target(*server.address), LENIENT)
    assert Verdict.HOLLOW is played.verdict
    assert (0, 3) == (played.made.served, played.made.connected)


def test_who_is_turned_away_has_not_been_held(serve: Serve) -> None:
    """A server that the trouble fills has no room for the bystander: errors are a miss."""
    server = serve("--limit-connections", "3")
    played = play(few("idle")[0], Target(*server.address), LENIENT)
    assert 3 == played.made.served
    assert Verdict.MISSED is played.verdict
    assert played.bystander is None or played.bystander.tally.errors


def test_fast_replies_do_not_make_up_for_lost_ones() -> None:
    """Whatever latencies are asked for: there may be no errors, either."""

    def short(connection: socket.socket) -> None:
        asked = lines(connection)
        for _, _ in zip(range(5), asked, strict=False):
            connection.sendall(b"PONG\n")
        next(asked, None)  # and this one gets no answer

    with Faulty(short) as server:
        played = play(SCENARIOS["nothing"], Target(*server.address), LENIENT)
    assert played.bystander is not None
    assert played.bystander.tally.replies >= 5
    assert all(condition.is_met(played.bystander) for condition in LENIENT.slo)
    assert played.verdict in {Verdict.MISSED, Verdict.INVALID}  # the latter on a busy machine


def test_nobody_is_there() -> None:
    """It is said before there is any trouble, in one line."""
    with pytest.raises(CannotRun, match="refused"):
        play(SCENARIOS["nothing"], Target("127.0.0.1", free_port()), LENIENT)
    ended = loadgen("scenario", f"127.0.0.1:{free_port()}", "idle")
    assert 1 == ended.returncode
    assert re.fullmatch(r"loadgen: .*does not answer PING: refused; .*\n", ended.stderr)


def test_a_verdict_wants_a_result() -> None:
    """Without a bystander's result nothing is held, whatever else there is."""
    assert Verdict.MISSED is Played(SCENARIOS["idle"], ()).verdict


def test_the_command_as_json(target: Target, tmp_path: Path) -> None:
    """It is on standard output alone and in the file, with whole results."""
    out = tmp_path / "scenarios.json"
    ended = loadgen(
        "scenario", str(target), "nothing", "idle", "--clients", "4", "-d", "300ms", "-R", "40",
        *PATIENT, "-o", "json", "--out", str(out),
    )  # fmt: skip
    assert (0, "") == (ended.returncode, ended.stderr)
    answer: Any = json.loads(ended.stdout)
    assert answer == json.loads(out.read_text())
    assert "dumb_async.loadgen.scenario/1" == answer["schema"]
    assert ["nothing", "idle"] == [one["name"] for one in answer["scenarios"]]
    idle = answer["scenarios"][1]
    assert ("held", 4, True) == (
        idle["verdict"], idle["trouble"]["served"], idle["trouble"]["enough"],
    )  # fmt: skip
    assert "dumb_async.loadgen.result/1" == idle["bystander"]["schema"]
    assert 12 == idle["bystander"]["requests"]
    assert idle["recovery_s"] > 0


def test_the_command_as_text(target: Target) -> None:
    """A line for each scenario; 99 if what was asked for was not given."""
    ended = loadgen(
        "scenario", str(target), "idle", "--clients", "4", "-d", "300ms", "--slo", "max<1us"
    )
    assert re.search(
        r"^idle .* 0 +(missed|invalid) .*4 of 4 connections", ended.stdout, re.MULTILINE
    )
    assert "max<1us" in ended.stdout
    assert ended.returncode == (99 if "missed" in ended.stdout else 3)


def test_the_scenarios_are_listed() -> None:
    """With what each does, and without a server."""
    ended = loadgen("scenario", "--list")
    assert 0 == ended.returncode
    assert list(SCENARIOS) == [line.split()[0] for line in ended.stdout.splitlines()]
    assert 2 == loadgen("scenario", "127.0.0.1:1", "no-such").returncode


def test_an_interrupt_shows_what_there_is(target: Target) -> None:
    """Status 130, the results so far, and no process is left."""
    words = ("scenario", str(target), "nothing", "idle", "--clients", "2", "-d", "2s")
    process = subprocess.Popen(
        [sys.executable, "-m", "loadgen", *words, *PATIENT],
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    stdout, stderr = Drain(process.stdout), Drain(process.stderr)
    try:
        assert stderr.wait_for(re.compile("nothing: held"))
        os.killpg(process.pid, signal.SIGINT)
        assert 130 == process.wait(20)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        stdout.join()  # its end is that of all who could write to it
        stderr.join()
    assert "Traceback" not in stderr.text
    assert re.search(r"(?m)^nothing .* held", stdout.text)
