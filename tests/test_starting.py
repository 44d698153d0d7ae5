"""The first lines of a program: descriptors, signals, and being process 1."""

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conformance.client import eventually
from .conformance.launching import ROOT, Drain, environment
from .support import PATIENCE

PROGRAMS = ("dumb_async", "variants", "loadgen")

#: What a program does once it has begun: it says so, and waits.
BEGIN = """if True:
    from dumb_async.starting import begin, started
    begin({status})
    {more}
    import time
    print("begun", flush=True)
    for _ in range(600):  # a signal just before it sleeps does not wake it
        time.sleep(0.1)
"""


@contextmanager
def running(
    *argv: str, shell: str = 'exec "$@"'
) -> Iterator[tuple[subprocess.Popen[bytes], Drain]]:
    """A program, and what it writes, on whichever descriptor."""
    with subprocess.Popen(
        ["sh", "-c", shell, "sh", *argv],
        cwd=ROOT, env=environment({"PYTHONUNBUFFERED": "1"}), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = Drain(process.stdout)
        try:
            yield process, said
        finally:
            process.kill()
            process.wait()
            said.join()


def python(program: str) -> tuple[str, ...]:
    """The command that runs it."""
    return (sys.executable, "-c", program)


@pytest.mark.parametrize("package", PROGRAMS)
def test_nothing_is_imported_before_a_program_has_begun(package: str) -> None:
    """But what begins it: neither in its main module nor in what that makes Python import."""
    allowed = {"dumb_async.starting", "starting", "sys"}
    tree = ast.parse((ROOT / package / "__main__.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.If):
            assert ast.unparse(node.body[0]).startswith("begin(")
        elif isinstance(node, ast.ImportFrom):
            assert node.module in allowed
        elif isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= allowed
    program = f"import sys, {package}, dumb_async.starting; print(*sys.modules)"
    loaded = subprocess.run(python(program), cwd=ROOT, capture_output=True, text=True, check=True)
    slow = {"asyncio", "click", "http", "logging", "prometheus_client", "socket", "trio", "uvloop"}
    assert not slow & {*loaded.stdout.split()}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("status", [0, None])
def test_a_signal_during_the_start_ends_it_without_a_word(
    number: signal.Signals, status: int | None
) -> None:
    """With the status of its kind."""
    with running(*python(BEGIN.format(status=status, more=""))) as (process, said):
        assert said.wait_for(re.compile("begun"))
        process.send_signal(number)
        assert (128 + number if status is None else status) == process.wait(PATIENCE)
        said.join()
        assert "begun\n" == said.text


def test_a_signal_that_is_ignored_stays_so() -> None:
    """By nohup, or by a shell for what it runs in the background."""
    program = python(BEGIN.format(status=0, more="started()"))
    with running(*program, shell='trap "" INT HUP; exec "$@"') as (process, said):
        assert said.wait_for(re.compile("begun"))
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            process.send_signal(number)
        assert -signal.SIGTERM == process.wait(PATIENCE)


def test_signals_get_through_whatever_the_parent_has_blocked() -> None:
    """What is blocked is inherited."""
    program = python(BEGIN.format(status=0, more=""))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        with running(*program) as (process, said):
            assert said.wait_for(re.compile("begun"))
            process.send_signal(signal.SIGTERM)
            assert 0 == process.wait(PATIENCE)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


SLOW = """if True:
    import sys, time
    from pathlib import Path
    print("importing", flush=True)
    for _ in range(600):
        time.sleep(0.1)
"""


@pytest.mark.parametrize("command", [("dumb_async",), ("variants", "epoll")])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_may_be_stopped_before_it_serves(
    tmp_path: Path, command: tuple[str, ...], number: signal.Signals
) -> None:
    """While it still imports its service; that is a stop as any other."""
    (tmp_path / "slow_service.py").write_text(SLOW)
    path = f"PYTHONPATH={tmp_path}"
    argv = ("env", path, sys.executable, "-m", *command, "--service", "slow_service:service")
    with running(*argv) as (process, said):
        assert said.wait_for(re.compile("importing"))
        process.send_signal(number)
        assert 0 == process.wait(PATIENCE)
        said.join()
        assert "importing\n" == said.text


@pytest.mark.parametrize(
    "command",
    [("dumb_async", "--loop", loop) for loop in ("asyncio", "uvloop", "trio")]
    + [("variants", name) for name in ("threads", "epoll", "epoll-workers", "streams")],
    ids=lambda command: command[-1],
)
def test_who_asks_again_on_the_way_out_gets_the_same_status(command: tuple[str, ...]) -> None:
    """At whatever instant: it is 0."""
    for _ in range(3):
        argv = (sys.executable, "-m", *command, "--port", "0", "--no-metrics")
        with running(*argv) as (process, said):
            assert said.wait_for(re.compile("serves on"))
            while process.poll() is None:
                process.send_signal(signal.SIGTERM)
            assert 0 == process.returncode, said.text


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
def test_a_server_without_standard_descriptors(loop: str, tmp_path: Path) -> None:
    """It serves and stops, and takes none of its own for one of them."""
    pid = tmp_path / "pid"
    argv = (sys.executable, "-m", "dumb_async", "--loop", loop, "--port", "0", "--no-metrics")
    shell = f'echo $$ > {pid}; exec "$@" 0<&- 1>&- 2>&-'
    with running(*argv, shell=shell) as (process, _):
        assert eventually(lambda: "socket:" in "".join(map(str, links(process.pid).values())))
        assert {os.devnull} == {links(process.pid)[fd] for fd in (0, 1, 2)}
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(PATIENCE)


def links(pid: int) -> dict[int, str]:
    """What the descriptors of a process are."""
    found = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(path.name)] = str(path.readlink())
        except FileNotFoundError:
            pass
    return found


def may_unshare() -> bool:
    """Whether we may have processes with numbers of their own."""
    argv = ["unshare", "--pid", "--fork", "true"]
    if shutil.which(argv[0]) is None:
        return False
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def children(pid: int) -> list[int]:
    """The processes that a process has started, or inherited."""
    try:
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    except FileNotFoundError:
        return []


alone = pytest.mark.skipif(not may_unshare(), reason="pid_namespaces(7) are for root")
UNSHARE = ("unshare", "--pid", "--fork", "--kill-child")


@alone
@pytest.mark.parametrize("command", [("dumb_async",), ("variants", "epoll")])
def test_process_1_is_stopped_like_any_other(command: tuple[str, ...]) -> None:
    """The kernel protects it from signals that it does not handle."""
    argv = (*UNSHARE, sys.executable, "-m", *command, "--port", "0", "--no-metrics")
    with running(*argv) as (process, said):
        assert said.wait_for(re.compile("serves on"))
        (first,) = children(process.pid)
        os.kill(first, signal.SIGTERM)
        assert 0 == process.wait(PATIENCE)
        assert said.wait_for(re.compile("SIGTERM: stopping"))


@alone
def test_process_1_ends_with_the_status_of_what_it_runs() -> None:
    """Also if that dies of a signal."""
    program = "from dumb_async.starting import begin; begin(); import os; {}"
    for ending, status in (("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", 128 + 9)):
        done = subprocess.run(
            [*UNSHARE, *python(program.format(ending))], cwd=ROOT, check=False, timeout=PATIENCE
        )
        assert status == done.returncode


@alone
def test_process_1_buries_the_children_of_others() -> None:
    """Those whose parent has died are its own; left alone they would stay zombies."""
    program = """if True:
        from dumb_async.starting import begin
        begin()
        import os, time
        for _ in range(5):
            if not os.fork():
                if not os.fork():
                    time.sleep(0.1)  # until its parent has gone
                os._exit(0)
            os.wait()
        print("orphaned", flush=True)
        time.sleep(60)
    """
    with running(*UNSHARE, *python(program)) as (process, said):
        assert said.wait_for(re.compile("orphaned"))
        (first,) = children(process.pid)
        assert eventually(lambda: len(children(first)) == 1)


@alone
def test_process_1_stops_during_the_start() -> None:
    """From its first line on; and loadgen too, with the status of one who was stopped."""
    for status, expected in ((0, 0), (None, 128 + signal.SIGTERM)):
        program = python(BEGIN.format(status=status, more=""))
        with running(*UNSHARE, *program) as (process, said):
            assert said.wait_for(re.compile("begun"))
            (first,) = children(process.pid)
            os.kill(first, signal.SIGTERM)
            assert expected == process.wait(PATIENCE)
