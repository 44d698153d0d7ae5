"""A server under test: started, talked to, watched and always ended."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from .client import PATIENCE, Client, eventually
from .launching import Drain, free_port, limited, spawn
from .servers import Target

_SERVES = re.compile(r"serves on (?P<host>\S+):(?P<port>\d+)")
_METRICS = re.compile(r"metrics on (?P<url>\S+)")
_WORKER = re.compile(r',?worker="\w+"')
_SAMPLE = re.compile(r"(?P<name>[^#\s{]+(?:\{[^}]*\})?) (?P<value>\S+)")


class Server:
    """A running server, ready to be connected to.

    :param target: what to start.
    :param flags: added to its command line.
    :param fd_limit: how many descriptors it may have, soft and hard.
    :param soft_fd_limit: how many it has until it raises the limit itself.
    :param env: added to its environment.
    :raises AssertionError: if it does not get ready.
    """

    def __init__(
        self,
        target: Target,
        *flags: str,
        fd_limit: int | None = None,
        soft_fd_limit: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.target = target
        port = free_port()
        argv = [word.replace("{port}", str(port)) for word in target.argv]
        argv += flags
        self._stopping = False
        if fd_limit is not None:
            argv = limited(argv, f"-n {fd_limit}")
        if soft_fd_limit is not None:
            argv = limited(argv, f"-S -n {soft_fd_limit}")
        self._process = spawn(argv, env)
        assert self._process.stderr is not None
        self._stderr = Drain(self._process.stderr)
        self.address = ("127.0.0.1", port)
        self.metrics_url: str | None = None
        try:
            self._await_readiness(by_line="{port}" not in "".join(target.argv))
        except BaseException:
            self.kill()
            raise

    def connect(self, *, timeout: float | None = None, receive_buffer: int | None = None) -> Client:
        """Connect a new client."""
        return Client(self.address, timeout=timeout, receive_buffer=receive_buffer)

    def get_in(self, requests: bytes = b"") -> Client:
        """Connect a client that is served, as soon as there is room for it.

        The server is known to have read its ``requests``: it has said PONG to the PING in
        front of them.

        :raises AssertionError: if there is no room for long.
        """
        clients: list[Client] = []

        def is_in() -> bool:
            with contextlib.ExitStack() as stack:
                client = stack.enter_context(self.connect())
                client.send(b"PING\n" + requests)
                if client.read_line() == b"PONG\n":
                    stack.pop_all()
                    clients.append(client)
            return bool(clients)

        assert eventually(is_in), "it remains full"
        return clients[0]

    def converse(self, requests: bytes) -> bytes:
        """Everything a new client gets who sends ``requests`` and the end of input."""
        with self.connect() as client:
            client.send(requests)
            client.shutdown_write()
            return client.read_all()

    def stop_reading(self) -> None:
        """Read no more of its standard error, until it has ended."""
        self._stderr.pause()

    def get(self, path: str = "/metrics") -> tuple[int, str]:
        """Ask the metrics server for ``path``: the status and the page."""
        assert self.metrics_url is not None, "it has no metrics page"
        connection = http.client.HTTPConnection(*self.metrics_address, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def samples(self) -> dict[str, float]:
        """The samples of the metrics page, each by its name with its labels.

        Those of several workers are added up.
        """
        samples: Counter[str] = Counter()
        for match in filter(None, map(_SAMPLE.fullmatch, self.get()[1].splitlines())):
            name = _WORKER.sub("", match["name"]).replace("{}", "")
            samples[name] += float(match["value"])  # type: ignore[assignment]
        return dict(samples)

    @property
    def metrics_address(self) -> tuple[str, int]:
        """Host and port of the metrics page."""
        url = urlsplit(self.metrics_url or "")
        assert url.hostname is not None
        assert url.port is not None
        return url.hostname, url.port

    @property
    def stderr(self) -> str:
        """What it has written to its standard error so far."""
        return self._stderr.text

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        return self._process.pid

    def cpu_seconds(self) -> float:
        """The processor time it has used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to stop."""
        self._stopping = True
        self._process.send_signal(number)

    def exit_status(self, *, within: float) -> int:
        """Wait for its end.

        :raises AssertionError: if it still runs after ``within`` seconds.
        """
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it still runs after {within} s\n{self.stderr}") from None

    def check(self) -> None:
        """Fail if it wrote a traceback or ended unasked."""
        assert "Traceback" not in self.stderr, self.stderr
        status = self._process.poll()
        assert self._stopping or status is None, f"it ended with {status}\n{self.stderr}"

    def stop(self) -> int:
        """End it in an orderly way: the exit status."""
        if self.running and not self._stopping:
            self.signal()
        try:
            return self.exit_status(within=PATIENCE)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it and all of its children at once."""
        self._stopping = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._stderr.join()

    def _await_readiness(self, *, by_line: bool) -> None:
        if by_line:
            found = self._stderr.wait_for(_SERVES)
            assert found, f"it never said where it serves\n{self.stderr}"
            self.address = (found["host"], int(found["port"]))
            metrics = _METRICS.search(found.string)
            self.metrics_url = metrics and metrics["url"]
        else:
            assert eventually(self._answers_connections), f"not ready\n{self.stderr}"

    def _answers_connections(self) -> bool:
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return False
        return True


class Start(Protocol):
    """Starts a server for one test alone; see `Server` for the arguments."""

    def __call__(
        self,
        *flags: str,
        fd_limit: int | None = None,
        soft_fd_limit: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Server: ...


class Share(Protocol):
    """Gives the server with these flags, the same to every test that asks for them."""

    def __call__(self, *flags: str) -> Server: ...
