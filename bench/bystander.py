"""What a client that only PINGs sees while others misbehave.

The troublemakers, the bystander and this process share one CPU, the server has the other.
A fast reader would keep the bystander from its CPU, and that would look like the server's
fault: so the bystander runs at real-time priority where we may have it, blocks on its
socket, and reports how late it came to send by itself. What it reports as latency is
counted from when it did send, in an open loop: it never waits for a reply before it sends
the next PING, so one long stall is seen by every PING that falls into it. What happens
while the trouble sets in, in the first half second, is told apart from what lasts.
"""

import gc
import multiprocessing
import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bench import trouble
from bench.machine import BenchError, Workbench, cpu_usage, disturbance
from bench.servers import connect, running

PERIOD_S = 0.005
ONSET_S = 0.5
GRACE_S = 5.0
SET_UP_WITHIN_S = 30.0
PONG = b"PONG\n"

SCENARIOS: dict[str, type[trouble.Trouble]] = {
    "nothing else": trouble.Nothing,
    "1 STREAM, fast reader": trouble.FastReader,
    "4 BURNs of 10^11": trouble.Burns,
    "4 clients pipelining": trouble.Pipeliners,
    "4 pipelining BURN 1000": trouble.PipelinedBurns,
    "300 dribblers": trouble.Dribblers,
    "100 STREAMs, stalled": trouble.StalledReaders,
    "1000 WAITs": trouble.Waits,
    "5000 idle": trouble.Idle,
}


@dataclass(frozen=True, slots=True)
class Watch:
    """What a bystander saw."""

    latencies_s: list[float]
    """Of every PING after the onset, sent to answered; one never answered counts as long as
    we waited for it."""
    onset_s: list[float]
    """The same of every PING of the onset."""
    late_s: float
    """The longest the bystander itself was late to send: noise of the machine, not the server."""
    unanswered: int

    @property
    def whole_s(self) -> list[float]:
        """The latencies of every PING, those of the onset too."""
        return self.onset_s + self.latencies_s


@dataclass(frozen=True, slots=True)
class Scene:
    """A bystander's watch, what went on around it, and how soon the server was ready."""

    watch: Watch
    done: float
    unit: str
    stolen: float
    """Share of the server's CPU, 0 to 1, that went to other tenants of the host."""
    others: float
    """Share of the server's CPU that went to other programs of this machine."""
    ready_s: float


def play(bench: Workbench, command: Sequence[str], scenario: str, seconds: float) -> Scene:
    """Start a server, make trouble, and watch for so many seconds."""
    kind = SCENARIOS[scenario]
    with running(command, bench.server_cpu) as server:
        with forked(trouble.make_trouble, kind, server.port) as troublemaker:
            told(troublemaker)
            before, used_s = cpu_usage(bench.server_cpu), server.cpu_s()
            with forked(stand_by, server.port, seconds) as bystander:
                watch = told(bystander)
            spent, used_s = cpu_usage(bench.server_cpu) - before, server.cpu_s() - used_s
            troublemaker.send(None)
            done = told(troublemaker)
        assert isinstance(watch, Watch)
        assert isinstance(done, int | float)
        stolen, others = disturbance(spent, used_s)
        return Scene(watch, done, kind.unit, stolen, others, server.ready_s)


@contextmanager
def forked(target: Callable[..., None], *args: object) -> Iterator[Connection]:
    """Run a function in a process of its own with one end of a pipe; yield the other.

    The process is gone after the block.
    """
    context = multiprocessing.get_context("fork")  # at once, and with what we imported
    ours, theirs = context.Pipe()
    process = context.Process(target=ignore_interrupts, args=(ours, target, *args, theirs))
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.kill()
        process.join()
        ours.close()


def ignore_interrupts(unused: Connection, target: Callable[..., None], *args: object) -> None:
    """Leave Ctrl-C and the like to the parent, which ends us; then call the target."""
    unused.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    target(*args)


def told(child: Connection) -> object:
    """Return what a child says next. Raises BenchError where it fails or says nothing."""
    if not child.poll(SET_UP_WITHIN_S):
        raise BenchError(f"the clients were not ready or done within {SET_UP_WITHIN_S:.0f} s")
    try:
        message: object = child.recv()
    except EOFError:
        raise BenchError("a client's process ended without a word") from None
    if isinstance(message, str):
        raise BenchError(message)
    return message


def stand_by(port: int, seconds: float, parent: Connection) -> None:
    """Be the bystander's process: ping, then tell the parent, text where it failed."""
    take_priority()
    gc.disable()
    try:
        with connect(port) as client:
            parent.send(ping_regularly(client, seconds))
    except OSError as error:
        parent.send(f"the bystander's connection: {error}")


def take_priority() -> None:
    """Run before everything else on this CPU, where we may."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def ping_regularly(client: socket.socket, seconds: float) -> Watch:
    """Send a PING every period, whatever becomes of the earlier ones, and time the replies."""
    waiting: deque[float] = deque()
    answered: list[tuple[float, float]] = []
    start = time.perf_counter()
    due, end, late = start, start + seconds, 0.0
    while (now := time.perf_counter()) < end or (waiting and now < end + GRACE_S):
        if due <= now and due < end:
            client.send(b"PING\n")
            waiting.append(now)
            late = max(late, now - due)
            due += PERIOD_S
        limit = due if due < end else end + GRACE_S if waiting else end
        if select.select([client], [], [], max(limit - time.perf_counter(), 0))[0]:
            count, now = replies(client), time.perf_counter()
            answered += [(waiting.popleft(), now) for _ in range(count)]
    gone = time.perf_counter()
    answered += [(sent, gone) for sent in waiting]
    onset, after = split(answered, start + ONSET_S)
    return Watch(after, onset, late, len(waiting))


def split(answered: Sequence[tuple[float, float]], at: float) -> tuple[list[float], list[float]]:
    """Return the latencies of what was sent before and from a moment on."""
    before = [replied - sent for sent, replied in answered if sent < at]
    return before, [replied - sent for sent, replied in answered if sent >= at]


def replies(client: socket.socket) -> int:
    """Return how many whole replies can be read, each of which must be PONG."""
    data = client.recv(4096)
    if not data:
        raise ConnectionError("closed by the server")
    while len(data) % len(PONG):
        data += client.recv(len(PONG) - len(data) % len(PONG)) or b"?" * len(PONG)
    count = len(data) // len(PONG)
    if data != PONG * count:
        raise ConnectionError(f"PING was answered with {data[:40]!r}")
    return count
