"""How a result is shown takes nothing of it: it is saved first, and shown as well as can be."""

import fcntl
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import pytest
from rich.console import Console

from loadgen.agents import Job
from loadgen.commands import status
from loadgen.commands.streams import Forgiving
from loadgen.conducting import CannotRun
from loadgen.counts import Commanded, Tally
from loadgen.results import Result
from loadgen.scenarios import SCENARIOS, Played
from loadgen.views import Lines, Live, as_csv, as_text, console_for, plain, quoted

from ..conformance.client import eventually
from ..conformance.launching import ROOT, environment
from .conftest import Call, Finished, Told, module_of
from .faulty import Faulty, Recorder, saying
from .test_results import result

TARGET = "127.0.0.1:9"
WELL = result(0.001, 0.002)
#: Words that have a command end with a result, which is given to it.
COMMANDS = {
    "run": (TARGET, "-q"),
    "dist": (TARGET, "--agents", "1"),
    "sweep": (TARGET, "--over", "rate=1000"),
    "find-max": (TARGET, "--limit", "1k"),
    "scenario": (TARGET, "nothing"),
}
Ending = Callable[..., Finished]


@pytest.fixture
def ending(call: Call, monkeypatch: pytest.MonkeyPatch) -> Ending:
    """End one of these commands with a result."""

    def conduct(*_: Any, **__: Any) -> Result:
        return replace(WELL, tally=replace(WELL.tally, planned=2))

    played = Played(SCENARIOS["nothing"], (), bystander=WELL, recovery=0.0)
    for command in ("run", "sweep", "find-max"):
        monkeypatch.setattr(module_of(command), "conduct", conduct)
    monkeypatch.setattr(module_of("dist"), "share_out", lambda *_, **__: WELL)
    monkeypatch.setattr(module_of("scenario"), "play_all", lambda *_, **__: [played])
    return lambda command, *words: call(command, *COMMANDS[command], *words)


@pytest.fixture
def gone() -> Iterator[TextIO]:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as file:
        yield file


@pytest.fixture
def full() -> Iterator[TextIO]:
    """A file on a full disk."""
    with Path("/dev/full").open("w", encoding="utf-8") as file:
        yield file


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("form", ["text", "json"])
def test_nobody_reads_it(
    ending: Ending,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    gone: TextIO,
    command: str,
    form: str,
) -> None:
    """That is a quiet end, and the file is written."""
    out = tmp_path / "result.json"
    monkeypatch.setattr(sys, "stdout", gone)
    finished = ending(command, "-o", form, "--out", str(out))
    assert status.OK == finished.status
    assert "loadgen" not in finished.stderr
    assert json.loads(out.read_text())


@pytest.mark.parametrize("command", COMMANDS)
def test_it_cannot_be_shown(
    ending: Ending, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, full: TextIO, command: str
) -> None:
    """One line says so, and the status; the file is written."""
    out = tmp_path / "result.json"
    monkeypatch.setattr(sys, "stdout", full)
    finished = ending(command, "--out", str(out))
    assert status.FAILED == finished.status
    said = "loadgen: standard output could not be written: No space left on device"
    assert said == finished.stderr.splitlines()[-1]
    assert json.loads(out.read_text())


@pytest.mark.parametrize("command", COMMANDS)
def test_it_cannot_be_saved(ending: Ending, command: str) -> None:
    """It is shown all the same, and one line and the status say so."""
    finished = ending(command, "-o", "json", "--out", "/dev/full")
    assert status.FAILED == finished.status
    assert finished.json
    assert re.fullmatch(
        "loadgen: the result could not be written: .*No space left on device",
        finished.stderr.splitlines()[-1],
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_nobody_reads_what_is_said_meanwhile(
    ending: Ending, monkeypatch: pytest.MonkeyPatch, gone: TextIO, command: str
) -> None:
    """It ends no run."""
    monkeypatch.setattr(sys, "stderr", gone)
    finished = ending(command, "-o", "json")
    assert status.OK == finished.status
    assert finished.json


def test_saved_results_are_written_before_they_are_shown(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gone: TextIO
) -> None:
    """By report and merge as by all others."""
    file, hdr, both = (str(tmp_path / name) for name in ("1.json", "1.hdr", "both.json"))
    Path(file).write_text(json.dumps(WELL.as_json()))
    monkeypatch.setattr(sys, "stdout", gone)
    assert status.OK == call("report", file, "--hdr", hdr).status
    assert "Interval_Compressed_Histogram" in Path(hdr).read_text()
    assert status.OK == call("merge", file, file).status
    assert status.OK == call("merge", file, file, "--out", both).status
    assert 4 == json.loads(Path(both).read_text())["requests"]
    finished = call("merge", file, file, "--out", "/dev/full")
    assert status.FAILED == finished.status
    assert "could not be written" in finished.stderr


@pytest.mark.parametrize("words", [("--help",), ("run", "--help"), ("scenario", "--list")])
def test_help_that_cannot_be_shown(
    call: Call, monkeypatch: pytest.MonkeyPatch, gone: TextIO, full: TextIO, words: tuple[str, ...]
) -> None:
    """No trace of that either."""
    monkeypatch.setattr(sys, "stdout", gone)
    assert (status.OK, "") == (call(*words).status, call(*words).stderr)
    monkeypatch.setattr(sys, "stdout", full)
    finished = call(*words)
    assert (status.FAILED, 1) == (finished.status, finished.stderr.count("\n"))


def test_characters_that_an_encoding_lacks_are_replaced() -> None:
    """By what is as good, where there is such; a unit stays one."""
    for encoding, expected in (
        ("ascii", "<= 252 us |#|? ?"),
        ("latin-1", "<= 252 µs |#|? ?"),
        ("utf-8", "≤ 252 µs ▏█▌漢 ?"),
    ):
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        stream = Forgiving(file)
        assert 15 == stream.write("≤ 252 µs ▏█▌漢 \udcff")
        stream.flush()
        assert expected == file.buffer.getvalue().decode(encoding)
        assert encoding == stream.encoding


#: What is drawn where an encoding has no blocks.
BARS = str.maketrans("█▉▊▋▌▍▎▏", "####||||")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("output", ["gone", "full", "pipe"])
def test_a_run_in_an_old_terminal(tmp_path: Path, encoding: str, output: str) -> None:
    """All of it together, as a program: no trace, and nothing when Python ends."""
    out, (reader, writer) = tmp_path / "result.json", os.pipe()
    if output == "full":
        os.close(writer)
        writer = os.open("/dev/full", os.O_WRONLY)
    if output == "gone":
        os.close(reader)
    with Faulty(Recorder()) as server:
        words = ("-n", "4", "-c", "1", "-q", "--out", str(out))
        ended = subprocess.run(
            [sys.executable, "-m", "loadgen", "run", server.target, *words],
            cwd=ROOT, env=environment({"PYTHONIOENCODING": encoding}), stdout=writer,
            stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    os.close(writer)
    if output == "pipe":
        again = subprocess.run(
            [sys.executable, "-m", "loadgen", "report", str(out)],
            cwd=ROOT, env=environment({"PYTHONIOENCODING": "utf-8"}), capture_output=True,
            timeout=60, check=False,
        ).stdout.decode()  # fmt: skip
        micro = "u" if encoding == "ascii" else "µ"
        assert re.search(r"≤ +[\d.]+ (µs|ms|s)", again)
        with os.fdopen(reader, "rb") as pipe:
            shown = pipe.read().decode(encoding)
        assert again.replace("≤", "<=").replace("µ", micro).translate(BARS) == shown
    elif output == "full":
        os.close(reader)
    found = Result.from_json(out.read_text())
    assert 4 == found.tally.replies
    if output == "full":
        assert (1, 1) == (ended.returncode, ended.stderr.count("\n"))
    else:
        assert (status.of(found), "") == (ended.returncode, ended.stderr)


def test_it_is_saved_before_it_is_shown(tmp_path: Path) -> None:
    """To one who does not read it, for as long as he likes."""
    out, (reader, writer) = tmp_path / "result.json", os.pipe()
    room = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 1)  # the kernel makes it a page
    os.write(writer, b" " * room)
    with (
        Faulty(Recorder()) as server,
        subprocess.Popen(
            [sys.executable, "-m", "loadgen", "run", server.target,
             "-n", "4", "-c", "1", "-q", "-o", "json", "--out", str(out)],
            cwd=ROOT, env=environment(), stdout=writer, stderr=subprocess.DEVNULL,
        ) as running,
    ):  # fmt: skip
        os.close(writer)
        try:
            assert eventually(lambda: out.exists() and out.read_text().endswith("}"))
            assert running.poll() is None
            with os.fdopen(reader, "rb") as pipe:
                assert json.loads(pipe.read()) == json.loads(out.read_text())
        finally:
            running.kill()


# Series of runs that something cuts short


def failing(error: BaseException, after: int = 2) -> Callable[[Job], Result]:
    """Runs of which those ``after`` a number fail."""
    done: list[Job] = []

    def given(job: Job) -> Result:
        done.append(job)
        if len(done) > after:
            raise error
        assert job.plan.rate is not None
        return replace(WELL, tally=replace(WELL.tally, planned=2))

    return given


@pytest.mark.parametrize(
    ("error", "expected"),
    [(CannotRun("it is gone"), status.FAILED), (KeyboardInterrupt(), status.INTERRUPTED)],
    ids=["the server dies", "interrupted"],
)
def test_a_series_that_is_cut_short_has_what_there_was(
    told: Told, error: BaseException, expected: int
) -> None:
    """What was held is the answer of a search, what was measured that of a sweep."""
    finished = told(failing(error), "find-max", TARGET, "--start", "100", "-o", "json")
    assert (expected, 200) == (finished.status, finished.json["max_rate_per_s"])
    assert 2 == len(finished.json["steps"])
    assert (expected == status.INTERRUPTED) == finished.json["interrupted"]
    finished = told(failing(error), "find-max", TARGET, "--start", "100")
    assert "200/s was the highest held so far" in finished.stdout
    finished = told(failing(error), "sweep", TARGET, "--over", "rate=1,2,3", "-o", "json")
    assert (expected, 2) == (finished.status, len(finished.json["points"]))
    if expected == status.FAILED:
        assert "loadgen: it is gone" == finished.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", ["find-max", "sweep"])
def test_a_series_of_which_there_is_nothing(told: Told, command: str) -> None:
    """A line, and nothing that looks like a result."""
    finished = told(failing(CannotRun("it is gone"), 0), command, *COMMANDS[command])
    assert (status.FAILED, "", "loadgen: it is gone\n") == (
        finished.status,
        finished.stdout,
        finished.stderr,
    )
    finished = told(failing(KeyboardInterrupt(), 0), command, *COMMANDS[command])
    assert (status.INTERRUPTED, "") == (finished.status, finished.stdout)
    assert "loadgen: interrupted before there was a result\n" == finished.stderr


# Text of others

EVIL = "ECHO [/] [red]x[/red] :cat: \x1b[31m"
SHOWN = "ECHO [/] [red]x[/red] :cat: \\x1b[31m"


def evil() -> Result:
    """A result with such text wherever text of others may be: read from a file of theirs."""
    counted = Commanded(sent=1)
    counted.response.record(0.001)
    tally = replace(WELL.tally, commands={EVIL: counted, **WELL.tally.commands})
    return replace(WELL, tally=tally, wrong=[EVIL, EVIL], doubts=[EVIL])


def test_text_of_others_is_neither_markup_nor_does_it_do_anything_to_a_terminal() -> None:
    """In the forms of a result, and on any console."""
    for console in (console_for(), Console(width=200)):
        console.width = 200
        with console.capture() as captured:
            as_text(evil(), console)
        text = captured.get()
        assert "\x1b[31m" not in text
        assert 4 == text.count(SHOWN), text
    assert SHOWN in as_csv(evil())
    assert "\x1b" not in as_csv(evil())


def test_nor_is_it_while_a_run_goes_on() -> None:
    """On a terminal, and in lines."""
    for view in (Live, Lines):
        file = io.StringIO()
        console = Console(
            file=file, width=200, markup=False, emoji=False, force_terminal=view is Live
        )
        with view(console, EVIL) as watching:
            watching.update(Tally(), 0.5)
        assert SHOWN in file.getvalue()
        assert "\x1b[31m" not in file.getvalue()


def test_what_cannot_be_seen_is_escaped() -> None:
    """Not what can, in any language."""
    assert "a\\x1b[0m\\r\\n\\u202e\\x9b µ漢[/]" == plain("a\x1b[0m\r\n\u202e\x9b µ漢[/]")
    assert "'PANG\\x07'" == quoted("PANG\x07")


def test_a_hostile_server(call: Call) -> None:
    """What it says is shown as it would be written, and is no sequence for a terminal."""
    with Faulty(saying(b"\x1b]0;owned\x07[/]\n")) as server:
        finished = call("run", server.target, "-n", "1", "-c", "1")
    assert status.FAILED == finished.status
    assert "wrong reply: asked 'PING', came '\\x1b]0;owned\\x07[/]\\n'" in finished.stdout
    assert "\x1b" not in finished.stdout + finished.stderr


def test_a_mix_in_square_brackets_is_shown_as_it_is(call: Call) -> None:
    """In the title of a run, where it once ended it, as in its result."""
    with Faulty(saying(b"UNKNOWN_COMMAND\n")) as server:
        finished = call("run", server.target, "-n", "4", "-c", "1", "--mix", "ECHO [/]=1,[red]x=1")
    assert f"ECHO [/]=1,[red]x=1 at {server.target}" in finished.stderr
    assert {"ECHO [/]", "[red]x"} == {
        line.partition("  ")[0] for line in finished.stdout.splitlines() if "[" in line
    }
