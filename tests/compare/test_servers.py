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
from types import SimpleNamespace
from typing import Any

import pytest

from dumb_async import dumb_service
from variants.compare import disturbance, measuring
from variants.compare import servers as started
from variants.compare.disturbance import Disturbance, Watch, cpu_times, pressures
from variants.compare.measuring import settle, waiting
from variants.compare.pinning import Cpus
from variants.compare.servers import Probe, Server, ServerFailed, free_port, running
from variants.compare.usage import Snapshot, Usage, cpu_seconds, family, private_bytes, snapshot

from ..conformance.client import PATIENCE, eventually
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

# Threads, work that was done by one of them that has ended, and how often the first has waited.
THREADS = """
import resource, sys, threading, time
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
print(resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw, flush=True)
sys.stdin.read()
"""


def start(
    kind: str, memory_limit: int | None = None, probe: Probe = PROBE
) -> AbstractContextManager[Server]:
    """Start one of those that nobody wants, or one of ours."""
    command = servers.command(kind) if kind in servers.KINDS else kind
    port = free_port()
    words = [word.replace("{port}", str(port)) for word in shlex.split(command)]
    return running(words, port, probe, [CPU], memory_limit)


class Listening(Probe):
    """Asks a server that listens, as soon as it does: how long it takes to begin is no matter.

    :param patience: seconds that an answer may take.
    """

    def __init__(self, patience: float) -> None:
        super().__init__(dumb_service(), b"PING")
        self._patience = patience

    def ask(self, port: int, timeout: float = 1.0) -> str:  # noqa: ARG002 - it has its own
        """Ask."""
        reasons: list[str] = []

        def is_there() -> bool:
            reasons.append(Probe.ask(self, port, self._patience))
            return reasons[-1] != "connection refused"

        eventually(is_there)
        return reasons[-1]


class Clock:
    """A clock that goes on while somebody sleeps, and does not otherwise."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """What it shows."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of whoever waits for a server to accept."""
    clock = Clock()
    monkeypatch.setattr(measuring, "time", clock)
    return clock


def gone(pid: int) -> bool:
    """Whether a process is no more."""
    return not Path(f"/proc/{pid}").exists()


def test_a_server_is_ready_on_its_cpu_and_gone_afterwards() -> None:
    """It has answered; all of its threads are where they are to be."""
    begun = time.monotonic()
    with start("slow") as server:
        assert 0 < server.ready_s <= time.monotonic() - begun
        assert not PROBE.ask(server.port, PATIENCE)
        assert not server.death
        for task in Path(f"/proc/{server.pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                assert {CPU} == os.sched_getaffinity(int(task.name))
    assert gone(server.pid)
    assert PROBE.ask(server.port)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("broken", r"did not start: it ended with status 1; it said last: no such thing"),
        ("/no/such/server {port}", r"cannot be started: /no/such/server: No such file"),
    ],
)
def test_a_server_that_does_not_start(kind: str, reason: str) -> None:
    """One line says what became of it, and nothing of it is left."""
    with pytest.raises(ServerFailed, match=reason) as raised, start(kind):
        pass
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "probe", "reason"),
    [
        ("deaf", PROBE, "connection refused"),
        ("mute", Listening(0.1), "it accepts connections, and does not answer"),
        ("busy", Listening(PATIENCE), "it answers 'SERVER_BUSY'"),
        ("wrong", Listening(PATIENCE), "it answers 'PANG'"),
    ],
)
def test_a_server_that_does_not_get_ready(
    kind: str, probe: Probe, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says what it did last in place of answering."""
    monkeypatch.setattr(started, "READY_WITHIN", 0.1)
    with pytest.raises(ServerFailed) as raised, start(kind, probe=probe):
        pass
    assert f"not ready after 0.1 s: {reason}" == str(raised.value)


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
        assert not PROBE.ask(server.port, PATIENCE)


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
        spent = cpu_seconds([child])
        found = snapshot(pid)
        assert found.cpu_s >= spent >= 0.05
        assert 2 == found.threads


def test_what_a_server_uses() -> None:
    """CPU of threads that have ended, too; the threads there are, and how often they waited."""
    with script(THREADS) as (pid, waits):
        found = snapshot(pid)
    assert 8 == found.threads
    assert found.cpu_s >= 0.1
    assert found.user_s + found.system_s > 0
    assert found.voluntary >= int(waits) > 0
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


def watched(monkeypatch: pytest.MonkeyPatch, *looks: tuple[dict[str, float], str]) -> Disturbance:
    """What is made of two looks at a machine: what a clock, a server and pressures showed; CPUs."""
    left = iter(looks)
    now: dict[str, float] = {}

    def look(_: object) -> SimpleNamespace:
        shown, stat = next(left)
        now.update(shown)
        return SimpleNamespace(read_text=lambda: stat)

    monkeypatch.setattr(disturbance, "Path", look)
    monkeypatch.setattr(disturbance, "time", SimpleNamespace(monotonic=lambda: now["at"]))
    monkeypatch.setattr(disturbance, "family", lambda pid: [pid, pid + 1])
    monkeypatch.setattr(disturbance, "cpu_seconds", lambda pids: now["own"] * (pids == [7, 8]))
    monkeypatch.setattr(disturbance, "pressures", lambda: {"io": now["io"]})
    return Watch(Cpus((0,), (1,)), 7).end()


def cpus(first: tuple[float, ...], second: tuple[float, ...]) -> str:
    """Two lines of ``/proc/stat``, of seconds."""
    ticks = os.sysconf("SC_CLK_TCK")
    lines = (" ".join(str(round(one * ticks)) for one in line) for line in (first, second))
    return "".join(f"cpu{number} {line} 0 0\n" for number, line in enumerate(lines))


def test_other_programs_on_the_servers_cpu_are_noticed_and_its_own_work_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two seconds it and its child worked 0.8 there, and others 0.5; what idles is nobody."""
    found = watched(
        monkeypatch,
        ({"at": 10.0, "own": 1.0, "io": 3.0}, cpus((5, 1, 2, 9, 9, 9, 9, 4), (0,) * 8)),
        ({"at": 12.0, "own": 1.8, "io": 3.5}, cpus((5.6, 1.3, 2.4, 10, 9, 9, 9, 4.1), (2,) * 8)),
    )
    assert pytest.approx(0.25) == found.others  # 0.6 + 0.3 + 0.4 - 0.8, by 2
    assert pytest.approx(0.525) == found.stolen  # 0.1 + 2, by 2 of both
    assert {"io": 0.25} == found.pressure
    assert [
        "other guests of the host took 52% of the CPUs (steal)",
        "other programs took 25% of the server's CPUs",
        "io was short for 25% of the time (pressure)",
    ] == found.reasons


def test_a_machine_that_is_the_servers_alone_is_not_disturbed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where ticks say less than its clock, nobody worked less than nothing."""
    found = watched(
        monkeypatch,
        ({"at": 10.0, "own": 1.0, "io": 3.0}, cpus((5, 1, 2, 9, 9, 9, 9, 4), (0,) * 8)),
        ({"at": 12.0, "own": 2.5, "io": 3.0}, cpus((6, 1, 2.4, 9, 9, 9, 9, 4), (9,) * 7 + (0,))),
    )
    assert (0.0, 0.0, []) == (found.others, found.stolen, found.reasons)


@pytest.mark.parametrize(
    ("shares", "reasons"),
    [
        ({"stolen": 0.05, "others": 0.1, "pressure": {"memory": 0.05, "cpu": 1.0}}, 0),
        ({"stolen": 0.06}, 1),
        ({"others": 0.11}, 1),
        ({"pressure": {"memory": 0.06}}, 1),
    ],
)
def test_some_disturbance_is_none(shares: dict[str, Any], reasons: int) -> None:
    """Up to a share of its own for each kind; of the CPU nobody need wait for others."""
    assert reasons == len(Disturbance(**shares).reasons)


def test_this_machine_is_watched() -> None:
    """Whatever it does: shares are none below 0, and all kinds are there."""
    found = Watch(Cpus((CPU,), (CPU,)), os.getpid()).end()
    assert min(found.stolen, found.others, *found.pressure.values()) >= 0
    assert set(pressures()) == set(found.pressure)


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


def test_a_server_that_accepts_is_waited_for(clock: Clock) -> None:
    """As long as fewer wait each time; not longer."""
    left = iter([5, 4, 4, 2, 1, 0])
    settle(lambda: next(left))
    assert None is next(left, None)
    assert clock.now == pytest.approx(0.05)


def test_a_server_that_accepts_nobody_is_not_waited_for(clock: Clock) -> None:
    """But for half a second."""
    settle(lambda: 7)
    assert 0.5 <= clock.now < 0.52


def test_a_server_that_accepts_one_after_the_other_is_not_waited_for_to_the_end(
    clock: Clock,
) -> None:
    """But for twenty seconds, while it goes on."""
    settle(lambda: 1000 - int(clock.now / 0.4))
    assert 20 <= clock.now < 20.02
