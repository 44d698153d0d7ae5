"""A server to measure: on CPUs of its own, ready when used, gone afterwards."""

import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Final

from dumb_async import Service
from dumb_async.protocol import NEED_DATA, ClientConnection, Outcome, Reply

from .interrupting import uninterrupted
from .usage import cpu_seconds, family, private_bytes

HOST: Final = "127.0.0.1"
#: Seconds in which a server has to answer its first request.
READY_WITHIN: Final = 10.0
#: Seconds between asking it to stop and making it.
STOP_WITHIN: Final = 0.5
#: Seconds between two looks whether it is ready.
_LOOK: Final = 0.002
#: Bytes of what a server has said at last that are searched for its last line.
_SAID: Final = 4096
_LONGEST_LINE: Final = 200


class ServerFailed(Exception):
    """A server could not be measured; the text says in one line what became of it."""


class Probe:
    """One request, to see whether a server answers it rightly.

    :param service: what the server speaks.
    :param request: a line of it, without its end.
    """

    def __init__(self, service: Service, request: bytes) -> None:
        self._service = service
        self.request = request

    def ask(self, port: int, timeout: float = 1.0) -> str:
        """Ask on a new connection; return what is wrong with the answer, empty if it is right.

        :param timeout: seconds that each step may take.
        """
        core = ClientConnection(self._service)
        try:
            with socket.create_connection((HOST, port), timeout) as client:
                client.sendall(core.send(self.request))
                while (event := core.next_event()) is NEED_DATA:
                    data = client.recv(65_536)
                    core.receive_data(data) if data else core.receive_eof()
        except TimeoutError:
            return "it accepts connections, and does not answer"
        except OSError as error:
            return str(error.strerror or error).lower()
        if isinstance(event, Reply):
            return "" if event.outcome is Outcome.OK else f"it answers {_shown(event.text)}"
        return f"it answers {_shown(event.stray)}" if event.stray else "it closes the connection"


class Server:
    """A server that runs, and has answered.

    :param ready_s: seconds from its start to its first reply.
    :param unloaded_bytes: private memory that it had then.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, log: IO[bytes], ready_s: float
    ) -> None:
        self.pid = process.pid
        self.port = port
        self.ready_s = ready_s
        self.unloaded_bytes = private_bytes(family(process.pid))
        self._process = process
        self._log = log

    @property
    def death(self) -> str:
        """How it ended, in one line; empty while it runs."""
        return _death(self._process, self._log) if self._process.poll() is not None else ""

    def cpu_s(self) -> float:
        """CPU seconds of it and its children so far."""
        return cpu_seconds(family(self.pid))

    def pause(self) -> None:
        """Take it, children too, off its CPUs, that another may be measured there alone."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.killpg(self.pid, signal.SIGCONT)


@contextmanager
def running(
    command: Sequence[str],
    port: int,
    probe: Probe,
    cpus: Sequence[int],
    memory_limit: int | None = None,
) -> Iterator[Server]:
    """Start a server; in the block it is ready, afterwards it and its children are gone.

    :param command: its command line, ``port`` in it.
    :param cpus: those it may run on.
    :param memory_limit: bytes of address space (RLIMIT_AS).
    :raises ServerFailed: if it cannot be started, or does not answer the probe in time.
    """
    with tempfile.TemporaryFile() as log:
        begun, process = time.monotonic(), None
        try:
            with uninterrupted():  # or there is a process that nobody knows of
                process = _start(command, cpus, memory_limit, log)
            _wait_until_ready(process, port, probe, log)
            yield Server(process, port, log, time.monotonic() - begun)
        finally:
            if process is not None:
                with uninterrupted():
                    _end(process)


def free_port() -> int:
    """Return a port nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _start(
    command: Sequence[str], cpus: Sequence[int], memory_limit: int | None, log: IO[bytes]
) -> subprocess.Popen[bytes]:
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)  # inherited: it is never on any other, not for a moment
    try:
        process = subprocess.Popen(  # noqa: S603 - to run what was asked for
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={k: v for k, v in os.environ.items() if not k.startswith("DUMB_")},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ServerFailed(f"it cannot be started: {command[0]}: {why}") from None
    finally:
        os.sched_setaffinity(0, ours)
    if memory_limit is not None:
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (memory_limit, memory_limit))
    return process


def _wait_until_ready(
    process: subprocess.Popen[bytes], port: int, probe: Probe, log: IO[bytes]
) -> None:
    """Return once it answers: a server that is none of ours has no other way to tell."""
    deadline = time.monotonic() + READY_WITHIN
    while reason := probe.ask(port):
        if process.poll() is not None:
            raise ServerFailed(f"it did not start: {_death(process, log)}")
        if time.monotonic() > deadline:
            failure = f"not ready after {READY_WITHIN:g} s: {reason}"
            raise ServerFailed(_with_last_line(failure, log))
        time.sleep(_LOOK)


def _death(process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    status = process.returncode
    how = f"it died of {_signal(-status)}" if status < 0 else f"it ended with status {status}"
    return _with_last_line(how, log)


def _with_last_line(text: str, log: IO[bytes]) -> str:
    said = _last_line(log)
    return f"{text}; it said last: {said}" if said else text


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(log: IO[bytes]) -> str:
    size = os.fstat(log.fileno()).st_size
    said = os.pread(log.fileno(), _SAID, max(size - _SAID, 0))  # its end is where it writes
    lines = said.decode(errors="replace").strip().splitlines()
    return "".join(c for c in lines[-1] if c.isprintable())[:_LONGEST_LINE] if lines else ""


def _shown(reply: bytes) -> str:
    return repr(reply[:40].decode(errors="backslashreplace").rstrip())


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop and, soon after, make it and its children."""
    for wanted in (signal.SIGTERM, signal.SIGCONT):
        _signal_group(process.pid, wanted)
    try:
        process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        pass  # it drains its clients; we have seen what we came for
    finally:
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()


def _signal_group(group: int, wanted: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, wanted)
