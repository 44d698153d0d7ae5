"""Signals: they end a command with what there is, and none of it is lost, whenever they come."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loadgen.commands import status
from loadgen.interrupting import SIGNALS, STATUS
from loadgen.results import Result

from ..conformance.client import eventually
from ..conformance.launching import ROOT, environment
from . import faulty
from .conftest import PATIENCE, Running
from .faulty import Faulty, Recorder

Start = Callable[..., Running]

#: What is under way for long, by command.
LONG = {
    "run": ("-R", "50", "-d", "60s", "-c", "2"),
    "sweep": ("--over", "rate=50,60", "--step", "60s"),
    "find-max": ("--start", "50", "--step", "60s"),
    "scenario": ("nothing", "-d", "60s", "-R", "50"),
}


def program(text: str) -> subprocess.CompletedProcess[str]:
    """Run a program of Python."""
    return subprocess.run(
        [sys.executable, "-c", text],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
@pytest.mark.parametrize("command", LONG)
def test_ended_with_what_there_is(
    start: Start, tmp_path: Path, command: str, number: signal.Signals
) -> None:
    """As by Ctrl-C; also where a shell has it ignore that, as one of its background jobs."""
    out, recorder = tmp_path / "result.json", Recorder()
    with Faulty(recorder) as server:
        words = (server.target, *LONG[command], "-o", "json", "--out", str(out))
        running = start(*words, command=command, ignoring="INT")
        assert eventually(lambda: recorder.asked.total() > 2)
        running.interrupt()  # which it does not hear
        running.interrupt(number)
        finished = running.finish()

    assert STATUS == finished.status, finished.stderr
    assert json.loads(out.read_text()) == finished.json
    assert '"interrupted": true' in finished.stdout
    assert '"requests": 0' not in finished.stdout
    assert "lost" not in finished.stderr


def test_what_is_ignored_stays_so(start: Start) -> None:
    """As by nohup, and as for background jobs: nobody ends them by Ctrl-C at something else."""
    recorder = Recorder()
    with Faulty(recorder) as server:
        words = (server.target, "-R", "50", "-d", "500ms", "-c", "1", "-o", "json", "-q")
        running = start(*words, ignoring="INT HUP")
        assert eventually(lambda: recorder.asked.total() > 2)
        running.interrupt()
        running.interrupt(signal.SIGHUP)
        finished = running.finish()

    assert not finished.json["interrupted"]
    assert 25 == finished.json["requests"]


def test_a_signal_that_comes_twice_at_once_is_one(start: Start) -> None:
    """timeout(1) sends one to the command and one to its group: replies are still waited for."""
    recorder = Recorder(delay=0.3)
    with Faulty(recorder) as server:
        running = start(server.target, "-R", "50", "-d", "60s", "-c", "50", "-o", "json", "-q")
        assert eventually(lambda: recorder.asked.total() > 2)
        os.kill(running.pid, signal.SIGTERM)
        running.interrupt(signal.SIGTERM)
        finished = running.finish()

    assert STATUS == finished.status
    assert finished.json["requests"] == finished.json["sent"] > 2
    assert not finished.json["partial"]


@pytest.mark.parametrize("after", [0.0, 0.01, 0.02, 0.04, 0.08])
def test_a_signal_as_a_run_ends_loses_nothing(start: Start, tmp_path: Path, after: float) -> None:
    """The result is whole, printed and saved, and the status is its own."""
    out, recorder = tmp_path / "result.json", Recorder()
    with Faulty(recorder) as server:
        words = ("-n", "5", "-c", "1", "-q", "-o", "json", "--out", str(out))
        running = start(server.target, *words)
        assert eventually(lambda: recorder.asked.total() == 5)
        time.sleep(after)
        try:
            running.interrupt()
        except ProcessLookupError:
            pass  # it was faster
        finished = running.finish()

    assert json.loads(out.read_text()) == finished.json
    assert 5 == finished.json["requests"]
    assert status.of(Result.from_json(finished.stdout)) == finished.status


@pytest.mark.parametrize("number", SIGNALS, ids=lambda one: one.name)
def test_a_signal_on_the_way_out_changes_nothing(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    """Not even one after the other, while the result is being saved: to one who is slow."""
    out = tmp_path / "result.json"
    os.mkfifo(out)
    recorder, read = Recorder(), threading.Event()

    def signals() -> None:
        while not read.is_set():
            try:
                running.interrupt(number)
            except ProcessLookupError:
                return
            read.wait(0.02)

    with Faulty(recorder) as server:
        words = ("-n", "5", "-c", "1", "-q", "-o", "json", "--out", str(out))
        running = start(server.target, *words)
        assert eventually(lambda: recorder.asked.total() == 5)
        assert eventually(lambda: not running.agents())  # it is over
        sending = threading.Thread(target=signals)
        sending.start()
        slow = os.open(out, os.O_RDONLY | os.O_NONBLOCK)  # does not wait for who is to write
        try:
            finished = running.finish()
            saved = os.read(slow, 1_000_000)
        finally:
            os.close(slow)
            read.set()
            sending.join()

    assert json.loads(saved) == finished.json
    assert status.of(Result.from_json(finished.stdout)) == finished.status != STATUS


def test_interrupted_before_there_was_anything(start: Start, tmp_path: Path) -> None:
    """One line, and the status."""
    told = tmp_path / "told"
    (tmp_path / "slow.py").write_text(f"import time; open({str(told)!r}, 'w'); time.sleep(60)")
    words = ("127.0.0.1:9", "--service", "slow:service")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        running = start(*words)
    assert eventually(told.exists)
    running.interrupt(signal.SIGTERM)
    finished = running.finish()
    assert (STATUS, "") == (finished.status, finished.stdout)
    assert "loadgen: interrupted before there was a result\n" == finished.stderr


def test_nobody_is_stopped_from_stopping(start: Start) -> None:
    """Clients that were to go when it was stopped, and wait for replies: they go as all others."""
    with Faulty(faulty.mute) as server:
        words = ("--stages", "50ms:4,1s:4-0", "--timeout", "2s", "-o", "json", "-q")
        running = start(server.target, *words)
        assert eventually(lambda: len(server.accepted) == 4)
        running.interrupt(signal.SIGTERM)
        finished = running.finish()

    assert STATUS == finished.status, finished.stderr
    assert 4 == finished.faults["read: timeout"]["requests"]
    assert "" == finished.stderr


def test_an_interrupt_waits_for_a_place_where_it_loses_nothing() -> None:
    """It is heard where it may be, at once; not where something is to be kept, nor twice."""
    done = program("""if True:
        import signal, time
        from loadgen import interrupting as i
        with i.heeding():
            for number in i.SIGNALS:
                try:
                    with i.interruptible():
                        with i.kept():
                            signal.raise_signal(number)
                            signal.raise_signal(number)  # is the same
                            print("kept")
                        print("lost")
                except KeyboardInterrupt:
                    print("heard")
                signal.raise_signal(number)  # still is
                with i.interruptible():
                    print("once")
                    i.keep()
                    time.sleep(i.BURST)
                    signal.raise_signal(number)
                    print("kept")
                try:
                    with i.interruptible():
                        print("lost")
                except KeyboardInterrupt:
                    print("heard")
                time.sleep(i.BURST)
        for number in i.SIGNALS:
            signal.raise_signal(number)
        print("over")
    """)
    assert ["kept", "heard", "once", "kept", "heard"] * 3 + ["over"] == done.stdout.split()
    assert (0, "") == (done.returncode, done.stderr)


def test_who_is_stuck_on_the_way_out_is_ended() -> None:
    """As on a pipe that nobody reads."""
    done = program("""if True:
        import os, signal
        from loadgen import interrupting as i
        i.PATIENCE = 0.05
        pipe = os.pipe()
        with i.heeding():
            signal.raise_signal(signal.SIGTERM)
            os.read(pipe[0], 1)
    """)
    assert (STATUS, "", "") == (done.returncode, done.stdout, done.stderr)
