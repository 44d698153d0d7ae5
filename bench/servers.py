"""A server to measure: started on CPUs of its own, ready when used, gone afterwards."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from bench.machine import TICKS_PER_S, BenchError, cpu_ticks, family, private_kib

HOST = "127.0.0.1"
READY_WITHIN_S = 15.0
REPLY_WITHIN_S = 20.0
STOP_WITHIN_S = 1.0


class Server:
    """A server that runs on CPUs of its own and has answered its first PING."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, ready_s: float) -> None:
        self.pid = process.pid
        self.port = port
        self.ready_s = ready_s

    def ask(self, request: str) -> str:
        """Return the one-line reply to a request made on a connection of its own."""
        with connect(self.port) as client:
            client.sendall(request.encode() + b"\n")
            reply = client.makefile("rb").readline()
        return reply.decode(errors="replace").rstrip("\n")

    def cpu_s(self) -> float:
        """CPU time, user and system, of the server and its children so far."""
        return sum(cpu_ticks(pid) for pid in family(self.pid)) / TICKS_PER_S

    def private_bytes(self) -> int:
        """Private resident memory of the server and its children."""
        return sum(private_kib(pid) for pid in family(self.pid)) * 1024

    def pause(self) -> None:
        """Take the server, children too, off its CPUs, that another may be measured there alone."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        os.killpg(self.pid, signal.SIGCONT)


@contextmanager
def running(command: Sequence[str], *cpus: int) -> Iterator[Server]:
    """Start a server on these CPUs and a free port, which its command has for ``{port}``.

    It is ready inside the block, and it and its children are gone after, however that ends.
    Raises BenchError where it does not answer PING in time.
    """
    port = free_port()
    words = [word.replace("{port}", str(port)) for word in command]
    pinned = ["taskset", "-c", ",".join(map(str, cpus)), *words]
    with tempfile.TemporaryFile() as log:
        start = time.monotonic()
        process = subprocess.Popen(
            pinned, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_until_ready(process, port, log)
            yield Server(process, port, time.monotonic() - start)
        finally:
            end(process)


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    """Return once PING is answered with PONG. A server not ours has no other way to tell."""
    deadline = time.monotonic() + READY_WITHIN_S
    while not answers_ping(port):
        if process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
            last = said[-1] if said else "it said nothing"
            raise BenchError(f"the server did not answer PING: {last}")
        time.sleep(0.002)


def answers_ping(port: int) -> bool:
    """Tell whether a new connection to the port gets PONG for PING within a second."""
    try:
        with connect(port, timeout=1) as client:
            client.sendall(b"PING\n")
            return client.recv(16) == b"PONG\n"
    except OSError:
        return False


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a server to stop and, soon after, make it and its children."""
    for wanted in (signal.SIGTERM, signal.SIGCONT):
        signal_group(process.pid, wanted)
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        pass  # it drains its clients; we have seen what we came for
    finally:
        signal_group(process.pid, signal.SIGKILL)
        process.wait()


def signal_group(group: int, wanted: signal.Signals) -> None:
    """Send a signal to every process of a group, if there still is one."""
    with suppress(ProcessLookupError):
        os.killpg(group, wanted)


def free_port() -> int:
    """Return a port nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def connect(port: int, timeout: float = REPLY_WITHIN_S) -> socket.socket:
    """Connect to a server; the timeout, in seconds, holds for every later call too."""
    client = socket.create_connection((HOST, port), timeout)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client
