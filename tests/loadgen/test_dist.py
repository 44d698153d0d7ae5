"""Agents as tasks of Dask: the plan shared out, counts added up, losses said."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from loadgen.dist.task import Board, Ended, Word, run_agent

from ..conformance import servers
from ..conformance.client import eventually
from ..conformance.launching import ROOT, Drain, environment
from ..conformance.process import Server

Serve = Callable[..., Server]

pytestmark = pytest.mark.slow  # a cluster each: they have the machine to themselves

#: Seconds that a cluster may take to start, and to stop, on a busy machine.
PATIENCE = 60.0


def await_line(drain: Drain, pattern: str) -> None:
    """Wait for a line with ``pattern``."""
    wanted = re.compile(pattern)
    assert eventually(lambda: bool(drain.wait_for(wanted)), timeout=PATIENCE), drain.text


class Dist:
    """``python -m loadgen dist``, under way; leaving its ``with`` block ends it."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "loadgen", "dist", *words, "-o", "json"],
            cwd=ROOT,
            env=environment({"COLUMNS": "100"}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._stdout, self._stderr = Drain(self.process.stdout), Drain(self.process.stderr)

    def __enter__(self) -> "Dist":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self._stdout.join()
        self._stderr.join()

    def await_line(self, pattern: str) -> None:
        """Wait for a line on standard error."""
        await_line(self._stderr, pattern)

    def finish(self) -> tuple[int, Any, str]:
        """Wait for the end: its status, what it printed (JSON or nothing), what it said."""
        status = self.process.wait(PATIENCE)
        self._stdout.join()
        self._stderr.join()
        said = self._stderr.text
        assert "Traceback" not in said, said
        return status, json.loads(self._stdout.text or "null"), said


@pytest.fixture
def dist() -> Iterator[Callable[..., Dist]]:
    """Start ``dist`` with some words."""
    with ExitStack() as stack:
        yield lambda *words: stack.enter_context(Dist(*words))


@pytest.fixture
def metered() -> Iterator[Server]:
    """A server that tells what it was asked."""
    server = Server(servers.Target("dumb_async", (*servers.DUMB_ASYNC, *servers.ANY_PORTS)))
    yield server
    server.kill()


class Scheduler(NamedTuple):
    """A scheduler of Dask without any worker."""

    address: str
    process: "subprocess.Popen[bytes]"


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Scheduler]:
    """As its users start it."""
    file = tmp_path / "scheduler.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0",
         "--no-dashboard", "--scheduler-file", str(file)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert eventually(lambda: file.exists() and bool(file.read_text()), timeout=PATIENCE)
        yield Scheduler(json.loads(file.read_text())["address"], process)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def workers(scheduler: Scheduler) -> Iterator[list[int]]:
    """Two workers of it: their processes."""
    argv = [sys.executable, "-m", "dask", "worker", scheduler.address, "--host", "127.0.0.1",
            "--nthreads", "1", "--no-nanny", "--no-dashboard"]  # fmt: skip
    with ExitStack() as stack:
        drains, pids = [], []
        for _ in range(2):
            process = subprocess.Popen(
                argv, cwd=ROOT, env=environment({}), stderr=subprocess.PIPE, start_new_session=True
            )
            assert process.stderr is not None
            drains.append(Drain(process.stderr))
            pids.append(process.pid)
            stack.callback(drains[-1].join)
            stack.callback(process.wait)
            stack.callback(process.kill)
        for drain in drains:
            await_line(drain, "Registered to")
        yield pids


@pytest.fixture
def target(serve: Serve) -> str:
    """Where a server is."""
    return "{}:{}".format(*serve().address)


def processes() -> dict[int, tuple[int, str]]:
    """Every process there is: its parent and its command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                line = (entry / "cmdline").read_text().replace("\0", " ")
                found[int(entry.name)] = (int(stat[1]), line)
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def agents_at(target: str) -> list[int]:
    """The command lines of agents that load ``target``."""
    return [
        pid for pid, (_, line) in processes().items() if f"run {target}" in line and "leash" in line
    ]


def test_agents_send_one_plan_together(dist: Callable[..., Dist], target: str) -> None:
    """Every request of it, shared out with the connections; the counts are added."""
    mix = "PING=3,BURN 5=1"
    words = (target, "-n", "1001", "--mix", mix, "--seed", "5")
    status, result, said = dist(*words, "-c", "7").finish()
    assert status in {0, 3}, said
    assert (1001, 7) == (result["requests"], result["connections"]["clients"])
    assert ["0/2", "1/2"] == [agent["share"] for agent in result["agents"]]
    assert not result["partial"]
    alone = subprocess.run(
        [sys.executable, "-m", "loadgen", "run", *words, "-q", "-o", "json"],
        cwd=ROOT, env=environment({}), capture_output=True, check=False,
    )  # fmt: skip
    assert {name: one["sent"] for name, one in json.loads(alone.stdout)["commands"].items()} == {
        name: one["sent"] for name, one in result["commands"].items()
    }


def test_a_killed_worker_makes_the_result_partial(dist: Callable[..., Dist], target: str) -> None:
    """It is said, nothing is tried again, its own agent ends; the other's counts are there."""
    running = dist(target, "-R", "40", "-d", "6s")
    running.await_line("2 agents begin")
    assert eventually(lambda: len(agents_at(target)) == 2, timeout=PATIENCE)
    one = agents_at(target)[0]
    worker = processes()[one][0]
    os.kill(worker, signal.SIGKILL)
    assert eventually(lambda: one not in processes(), timeout=PATIENCE)
    status, result, said = running.finish()
    assert 1 == status
    assert result["partial"]
    assert 1 == sum(agent["lost"] for agent in result["agents"])
    assert "its worker was lost" in said
    assert 120 == result["requests"]  # every second of 240, and none of them twice
    assert not agents_at(target)


def test_interrupted_it_has_what_agents_had(dist: Callable[..., Dist], metered: Server) -> None:
    """They come to an end, and nobody is left behind."""
    target = "{}:{}".format(*metered.address)
    running = dist(target, "-R", "100", "-d", "60s", "--start-in", "500ms")
    running.await_line("2 agents begin")
    assert eventually(lambda: len(agents_at(target)) == 2, timeout=PATIENCE)
    asked = 'server_requests_total{request_type="ping"}'
    assert eventually(lambda: metered.samples()[asked] > 10, timeout=PATIENCE)
    os.killpg(running.process.pid, signal.SIGINT)
    status, result, said = running.finish()
    assert 130 == status, said
    assert result["interrupted"]
    assert 0 < result["requests"] < 6000
    assert eventually(lambda: not agents_at(target))


def test_who_is_late_does_not_begin(dist: Callable[..., Dist], target: str) -> None:
    """No request is sent; each says why."""
    status, result, said = dist(target, "-n", "10", "--start-in", "1us").finish()
    assert (1, None) == (status, result)
    assert 2 == len(re.findall("agent ./2 .* was lost: .*late by", said))
    assert "no agent has a result" in said


def test_more_agents_than_workers_are_too_many(
    dist: Callable[..., Dist], scheduler: Scheduler
) -> None:
    """A worker has one agent, or its figures would be those of two."""
    status, result, said = dist("127.0.0.1:1", "--scheduler", scheduler.address).finish()
    assert (1, None) == (status, result)
    assert "2 agents need as many workers, and there are 0" in said


@pytest.mark.usefixtures("workers")
def test_who_is_in_haste_leaves_nobody_behind(
    dist: Callable[..., Dist], target: str, scheduler: Scheduler
) -> None:
    """Interrupted twice, it waits for no reply; agents on workers that stay do not, either."""
    words = (target, "--mix", "WAIT 60=1", "--timeout", "60s", "-d", "60s")
    running = dist(*words, "--scheduler", scheduler.address)
    running.await_line("2 agents begin")
    assert 2 == len(agents_at(target))
    os.killpg(running.process.pid, signal.SIGINT)
    running.await_line("interrupted")
    os.killpg(running.process.pid, signal.SIGINT)
    assert 130 == running.finish()[0]
    assert eventually(lambda: not agents_at(target), timeout=5)


@pytest.mark.usefixtures("workers")
def test_a_lost_scheduler_is_said(
    dist: Callable[..., Dist], target: str, scheduler: Scheduler
) -> None:
    """In lines, not in what Dask makes of it; the agents end."""
    running = dist(target, "-R", "40", "-d", "60s", "--scheduler", scheduler.address)
    running.await_line("2 agents begin")
    scheduler.process.kill()
    status, result, said = running.finish()
    assert (1, None) == (status, result)
    assert "no agent has a result; the first: the scheduler was lost" in said.splitlines()[-1]
    assert all(line.startswith("loadgen: ") for line in said.splitlines()), said
    assert eventually(lambda: not agents_at(target))


def test_a_task_that_is_started_again_does_nothing(target: str) -> None:
    """Whether the others have begun, or nobody leads any more."""
    from distributed import Client  # noqa: PLC0415 - not for who collects other tests

    make: Any = Client  # it has no types
    words = [target, "-n", "1", "--share", "0/1", "-q", "-o", "json"]
    late = Ended(1, "", "late for the agreed start: not begun")
    with make(processes=False, n_workers=1, dashboard_address="127.0.0.1:0") as client:
        board = Board("ours", client)
        for word in (None, Word(start=1.0), Word(stop=True)):
            if word:
                board.say(word)
            assert late == client.submit(run_agent, words, "ours", 0, pure=False).result(PATIENCE)
        board.wipe()


def test_without_dask_it_says_what_to_install() -> None:
    """It is an extra."""
    program = "import sys; sys.modules['distributed'] = None\n"
    program += "from loadgen.commands import main; main(['dist', '127.0.0.1:1'])"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment({}), capture_output=True,
        check=False, text=True,
    )  # fmt: skip
    assert (2, "") == (ended.returncode, ended.stdout)
    assert "loadgen: it needs Dask: pip install 'dumb_async[dist]'\n" == ended.stderr


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("127.0.0.1:1", "--scheduler", "tcp://127.0.0.1:1"), 1, "no scheduler at"),
        (("127.0.0.1:1", "--scheduler", "nonsense://x"), 1, "no scheduler at"),
        (("127.0.0.1:1", "--rate", "x"), 2, "--rate"),
        (
            ("127.0.0.1:1", "--stages", "1s:0-5", "--rate", "5"),
            2,
            "leave out --duration and --rate",
        ),
        (("127.0.0.1:1", "--metrics-port", "0"), 2, "--metrics-port is not for agents"),
        (("127.0.0.1:1", "--share", "0/2"), 2, "--share is not for agents"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    dist: Callable[..., Dist], words: tuple[str, ...], status: int, says: str
) -> None:
    """Before anything is started."""
    ended, result, said = dist(*words).finish()
    assert (status, None) == (ended, result)
    assert says in said.splitlines()[-1]
