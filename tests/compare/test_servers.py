"""Servers are started, known to be ready, watched, and gone afterwards: real processes."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from dumb_async import dumb_service
from variants.compare import servers as started
from variants.compare.disturbance import Watch, cpu_times, pressures
from variants.compare.measuring import settle, waiting
from variants.compare.pinning import Cpus
from variants.compare.servers import Probe, Server, ServerFailed, free_port, running
from variants.compare.usage import Snapshot, Usage, cpu_seconds, family, private_bytes, snapshot

from ..conformance.client import eventually
from . import servers

PROBE = Probe(dumb_service(), b"PING")
CPU = min(os.sched_getaffinity(0))

STAT = """\
cpu  999 999 999 999 999 999 999 999 999 999
cpu0 100 200 300 400 500 600 700 800 5 5
cpu1 1 2 3 4 5 6 7 8 0 0
cpu10 1000 1000 1000 1000 1000 1000 1000 1000 0 0
intr 1 2 3
"""

# A child of a server of several processes: it works for a moment, says its number, and waits.
FAMILY = """
import os, sys, time
if not os.fork():
    while time.process_time() < 0.05:
        pass
    print(os.getpid(), flush=True)
sys.stdin.read()
"""

# Threads that have waited, and work that was done by one of them that has ended.
THREADS = """
import sys, threading, time
def work():
    while time.thread_time() < 0.1:
        pass
worker = threading.Thread(target=work)
worker.start()
worker.join()
end = threading.Event()
for _ in range(7):
    threading.Thread(target=end.wait, daemon=True).start()
for _ in range(50):
    time.sleep(0.001)
kept = bytearray(b"x" * (30 << 20))
print("ready", flush=True)
sys.stdin.read()
"""


def start(kind: str, memory_limit: int | None = None) -> AbstractContextManager[Server]:
    """Start one of those that nobody wants, or one of ours."""
    command = servers.command(kind) if kind in servers.KINDS else kind
    port = free_port()
    words = [word.replace("{port}", str(port)) for word in shlex.split(command)]
    return running(words, port, PROBE, [CPU], memory_limit)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that get ready have less time for it: it is for those that do not."""
    monkeypatch.setattr(started, "READY_WITHIN", 1.5)


def gone(pid: int) -> bool:
    """Whether a process is no more."""
    return not Path(f"/proc/{pid}").exists()


def test_a_server_is_ready_on_its_cpu_and_gone_afterwards() -> None:
    """It has answered; all of its threads are where they are to be."""
    with start("slow") as server:
        assert not PROBE.ask(server.port)
        assert not server.death
        assert 0 < server.ready_s < started.READY_WITHIN
        for task in Path(f"/proc/{server.pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                assert {CPU} == os.sched_getaffinity(int(task.name))
    assert gone(server.pid)
    assert PROBE.ask(server.port)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("broken", r"did not start: it ended with status 1; it said last: no such thing"),
        ("deaf", r"not ready after 1.5 s: connection refused"),
        ("mute", r"not ready after 1.5 s: it accepts connections, and does not answer"),
        ("busy", r"not ready after 1.5 s: it answers 'SERVER_BUSY'"),
        ("wrong", r"not ready after 1.5 s: it answers 'PANG'"),
        ("/no/such/server {port}", r"cannot be started: /no/such/server: No such file"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_a_server_that_cannot_be_measured(kind: str, reason: str) -> None:
    """One line says what became of it, and nothing of it is left."""
    with pytest.raises(ServerFailed, match=reason) as raised, start(kind):
        pass
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["stubborn", "parent"])
def test_a_server_that_does_not_want_to_end(kind: str) -> None:
    """It is made to, and so are its children."""
    with start(kind) as server:
        assert eventually(lambda: kind == "stubborn" or len(family(server.pid)) > 1)
        pids = family(server.pid)
    assert eventually(lambda: all(map(gone, pids)))


def test_a_server_that_dies() -> None:
    """The signal has its name."""
    with start("slow") as server:
        os.kill(server.pid, signal.SIGSEGV)
        assert eventually(lambda: bool(server.death))
        assert "it died of SIGSEGV" == server.death


def test_an_error_while_it_is_measured_leaves_no_server() -> None:
    """Whatever it is."""
    with contextlib.suppress(KeyboardInterrupt), start("slow") as server:
        raise KeyboardInterrupt
    assert gone(server.pid)


def test_our_own_settings_are_not_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every flag of a server is an environment variable, too: it would change what is measured."""
    monkeypatch.setenv("DUMB_LIMIT_CONNECTIONS", "1")
    epoll = f"{sys.executable} -m variants epoll --port {{port}} --no-metrics"
    with start(epoll) as server, socket.create_connection(("127.0.0.1", server.port)):
        assert not PROBE.ask(server.port)


def test_a_memory_limit_is_the_servers() -> None:
    """And not ours."""
    with start("slow", 1 << 30) as server:
        limits = Path(f"/proc/{server.pid}/limits").read_text()
        assert [str(1 << 30)] * 2 == limits.partition("Max address space")[2].split()[:2]
    assert str(1 << 30) not in Path("/proc/self/limits").read_text()


@contextlib.contextmanager
def script(text: str) -> Iterator[tuple[int, str]]:
    """Run a script until the end of the block; give its number, and what it has said first."""
    with subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.pid, process.stdout.readline()
        process.stdin.close()


def test_the_children_of_a_server_count() -> None:
    """Its workers are processes, and what they do is what it costs."""
    with script(FAMILY) as (pid, said):
        child = int(said)
        assert [pid, child] == family(pid)
        assert cpu_seconds([child]) >= 0.05
        found = snapshot(pid)
        assert found.cpu_s >= cpu_seconds([child])
        assert 2 == found.threads


def test_what_a_server_uses() -> None:
    """CPU of threads that have ended, too; the threads there are, and how often they waited."""
    with script(THREADS) as (pid, _):
        found = snapshot(pid)
    assert 8 == found.threads
    assert found.cpu_s >= 0.1
    assert found.user_s + found.system_s > 0
    assert found.voluntary >= 50
    assert 30 << 20 <= found.private_bytes <= found.resident_bytes <= found.virtual_bytes


def test_of_a_process_that_is_gone_nothing_is_told() -> None:
    """And nothing fails."""
    with script("print()") as (pid, _):
        pass
    found = snapshot(pid)
    assert Snapshot(at=found.at) == found
    assert 0 == private_bytes([pid]) == cpu_seconds([pid])


def test_usage_is_what_lies_between() -> None:
    """A rate of what was spent, the state at the end, memory for each connection."""
    begin = Snapshot(10.0, 1.0, 0.6, 0.4, 100, 10, 5, 1000, 2000, 500)
    end = Snapshot(12.0, 2.0, 1.4, 0.6, 150, 12, 9, 3000, 4000, 2500)
    usage = Usage.between(begin, end, 500, 200)
    assert (2.0, 1.0, 50, 2, 9) == (
        usage.seconds, usage.cpu_s, usage.voluntary, usage.involuntary, usage.threads,
    )  # fmt: skip
    assert 0.5 == usage.cpus
    assert 0.8 == pytest.approx(usage.user_share)
    assert 10 == usage.bytes_per_connection
    assert Usage.between(begin, end, 500, 99).bytes_per_connection is None


def test_the_time_of_cpus() -> None:
    """CPU 1 is not CPU 10."""
    ticks = os.sysconf("SC_CLK_TCK")
    assert [[n / ticks for n in (1, 2, 3, 4, 5, 6, 7, 8, 0, 0)]] == cpu_times(STAT, [1])
    assert 2 == len(cpu_times(STAT, [0, 1]))
    assert [800 / ticks, 8 / ticks] == [times[7] for times in cpu_times(STAT, [0, 1])]


def test_other_programs_on_the_servers_cpu_are_noticed_and_its_own_work_is_not() -> None:
    """Who works there beside the server is a disturbance."""
    burning = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(burning) as worker, subprocess.Popen(burning) as stranger:
        try:
            for one in (worker, stranger):
                os.sched_setaffinity(one.pid, [CPU])
            cpus = Cpus((CPU,), (CPU,))
            watch = Watch(cpus, worker.pid)
            begun = time.monotonic()
            assert eventually(
                lambda: time.monotonic() - begun > 0.5 and cpu_seconds([stranger.pid]) > 0.2
            )
            disturbance = watch.end()
        finally:
            worker.kill()
            stranger.kill()
    assert 0.1 < disturbance.others <= 1.1
    assert any("other programs" in reason for reason in disturbance.reasons)


@pytest.mark.skipif(not Path("/proc/pressure/io").exists(), reason="the kernel tells no pressure")
def test_pressure_is_told() -> None:
    """Seconds, which only become more."""
    before = pressures()
    assert {"cpu", "memory", "io"} == set(before)
    assert all(pressures()[name] >= seconds for name, seconds in before.items())


def test_those_who_wait_to_be_accepted_are_counted() -> None:
    """By the kernel: a server need not be ours to be known to be behind."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port = listener.getsockname()[1]
        with contextlib.ExitStack() as clients:
            for _ in range(5):
                address = ("127.0.0.1", port)
                clients.enter_context(socket.create_connection(address))
            assert eventually(lambda: waiting(port) == 5)
            listener.accept()[0].close()
            assert 4 == waiting(port)
        assert 0 == waiting(free_port())


def test_a_server_that_accepts_is_waited_for_and_one_that_does_not_is_not() -> None:
    """As long as fewer wait each time."""
    left = iter([5, 4, 4, 2, 1, 0])
    settle(lambda: next(left))
    assert None is next(left, None)
    settle(lambda: 7)
