"""The engine in the test's own process, the command in one of its own, and servers."""

import asyncio
import importlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import ModuleType
from typing import Any, Protocol

import pytest
import uvloop

from dumb_async import Service, dumb_service
from loadgen.agents import Job
from loadgen.agents.agent import resolve
from loadgen.commands import main
from loadgen.conducting import CannotRun
from loadgen.engine import Engine, Options, Target
from loadgen.plan import Plan
from loadgen.results import Result

from ..conformance import servers
from ..conformance.client import eventually
from ..conformance.launching import ROOT, Drain, environment, limited
from ..conformance.process import Server

#: Seconds after which a run hangs: far more than any takes.
PATIENCE = 30.0

Meanwhile = Callable[[Engine], Awaitable[object]]
#: What words of a command line come to.
Planned = Callable[..., Job]
#: What a run comes to, in place of carrying it out.
Given = Callable[[Job], Result]
#: Calls a command with words.
Call = Callable[..., "Finished"]


class Drive(Protocol):
    """Carries out a plan in this process; `drive` gives it."""

    def __call__(
        self,
        address: tuple[str, int],
        plan: Plan,
        options: Options = ...,
        *,
        service: Service | None = None,
        meanwhile: Meanwhile | None = None,
    ) -> Engine: ...


class Told(Protocol):
    """Calls a command whose runs have results that are given; `told` gives it."""

    def __call__(self, given: Given, command: str, *words: str) -> "Finished": ...


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a command."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What it printed, read as JSON."""
        return json.loads(self.stdout)

    @property
    def faults(self) -> dict[str, dict[str, int]]:
        """The errors of a printed result, by phase and cause."""
        return {
            f"{kind['phase']}: {kind['cause']}": {
                name: kind[name] for name in ("requests", "connections")
            }
            for kind in self.json["errors"]["kinds"]
        }


class Running:
    """A command under way; leaving its ``with`` block ends it and all its children.

    :param limit: of the shell's ``ulimit``, such as ``-n 40``.
    :param ignoring: signals that it is started to ignore, such as ``INT``.
    """

    def __init__(
        self, *words: str, limit: str = "", command: str = "run", ignoring: str = ""
    ) -> None:
        argv = [sys.executable, "-m", "loadgen", command, *words]
        if ignoring:
            argv = ["sh", "-c", f'trap "" {ignoring}; exec "$@"', "sh", *argv]
        self._process = subprocess.Popen(
            limited(argv, limit) if limit else argv,
            cwd=ROOT,
            env=environment({"COLUMNS": "100"}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._stdout = Drain(self._process.stdout)
        self._stderr = Drain(self._process.stderr)

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._stdout.join()
        self._stderr.join()

    @property
    def pid(self) -> int:
        """Of the command itself, and of its process group."""
        return self._process.pid

    def await_line(self, pattern: str) -> re.Match[str]:
        """Wait for a line with ``pattern`` on standard error."""
        found = self._stderr.wait_for(re.compile(pattern))
        assert found, f"it never said {pattern!r}: {self._stderr.text!r}"
        return found

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Do as Ctrl-C does, or a terminal that closes: signal the whole group."""
        os.killpg(self.pid, number)

    def agents(self) -> list[int]:
        """Its processes that send requests."""
        return [
            pid for pid, line in self.group().items() if "spawn_main" in line and pid != self.pid
        ]

    def group(self) -> dict[int, str]:
        """All processes of its group that live: their command lines."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                    if int(group) == self.pid and state != "Z":
                        found[int(entry.name)] = (entry / "cmdline").read_text()
                except (FileNotFoundError, ProcessLookupError):
                    continue
        return found

    def finish(self, within: float = PATIENCE) -> Finished:
        """Wait for its end; fail if it has left processes behind, or a trace."""
        status = self._process.wait(within)
        # Python's own resource tracker ends a moment after those it tracks for.
        assert eventually(lambda: not self.group(), timeout=2), f"left behind: {self.group()}"
        self._stdout.join()
        self._stderr.join()
        finished = Finished(status, self._stdout.text, self._stderr.text)
        assert "Traceback" not in finished.stderr, finished.stderr
        return finished


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Start ``python -m loadgen run``, or another command, with some words; ended with the test."""
    with ExitStack() as stack:
        yield lambda *words, **more: stack.enter_context(Running(*words, **more))


@pytest.fixture
def run(start: Callable[..., Running]) -> Callable[..., Finished]:
    """Run ``python -m loadgen run`` with some words, to its end."""
    return lambda *words, limit="": start(*words, limit=limit).finish()


def module_of(command: str) -> ModuleType:
    """Where a command is made: its package has the command itself under that name."""
    return importlib.import_module(f"loadgen.commands.{command.replace('-', '_')}")


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call a command of this process."""
    monkeypatch.setenv("COLUMNS", "100")

    def called(*words: str) -> Finished:
        with pytest.raises(SystemExit) as ended:
            main(words, prog_name="loadgen")
        assert isinstance(ended.value.code, int)
        return Finished(ended.value.code, *capsys.readouterr())

    return called


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, call: Call) -> Told:
    """Call a command whose runs have results that are given: none is carried out."""

    def called(given: Given, command: str, *words: str) -> Finished:
        module = module_of({"c10k": "run"}.get(command, command))
        monkeypatch.setattr(module, "conduct", lambda job, *_, **__: given(job))
        return call(command, *words)

    return called


@pytest.fixture
def planned(told: Told) -> Planned:
    """Read a command line; return what is to be carried out."""

    def read(*words: str) -> Job:
        jobs: list[Job] = []

        def given(job: Job) -> Result:
            jobs.append(job)
            raise CannotRun("it was not to")

        finished = told(given, *words)
        assert (1, "loadgen: it was not to\n") == (finished.status, finished.stderr)
        return jobs[0]

    return read


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start our own server with some flags; ended with the test."""
    with ExitStack() as stack:

        def begin(*flags: str) -> Server:
            argv = (sys.executable, "-m", "dumb_async", "--port", "0", "--no-metrics")
            server = Server(servers.Target("dumb_async", argv), *flags)
            stack.callback(server.kill)
            return server

        yield begin


@pytest.fixture
def drive() -> Drive:
    """Carry out a plan with an engine of this process."""
    return carry_out


def carry_out(
    address: tuple[str, int],
    plan: Plan,
    options: Options = Options(),  # noqa: B008 - it is frozen
    *,
    service: Service | None = None,
    meanwhile: Meanwhile | None = None,
) -> Engine:
    """Carry out ``plan``; ``meanwhile`` is awaited beside it. Return the engine, closed."""

    async def main() -> Engine:
        loop = asyncio.get_running_loop()
        found = await resolve(loop, Target(*address))
        engine = Engine(loop, plan, service or dumb_service(), found, options)
        try:
            async with asyncio.timeout(PATIENCE):
                await engine.connect()
                aside = asyncio.ensure_future(meanwhile(engine)) if meanwhile else None
                await engine.run(monotonic())
                if aside:
                    await aside
        finally:
            await engine.close()
        return engine

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
