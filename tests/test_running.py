"""A service as a program: announced, stopped by signals, with its metrics."""

import contextlib
import logging
import os
import re
import signal
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import dumb_async
from dumb_async.runtimes import NAMES, Runtime

from .support import PATIENCE

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Visitor(logging.Handler):
    """Visits the server from a thread, as soon as it says that it can be connected to."""

    def __init__(self, visit: "Visit") -> None:
        super().__init__()
        self._visit = visit
        self._thread: threading.Thread | None = None
        self._errors: list[BaseException] = []
        self._signalled = False
        self.announcement: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        if hasattr(record, "fields"):
            self.announcement = record
            self._thread = threading.Thread(target=self._run)
            self._thread.start()

    def connect(self) -> socket.socket:
        """Connect to the server."""
        host, port = self.announcement.fields["addresses"][0].rsplit(":", 1)
        return socket.create_connection((host, int(port)), PATIENCE)

    def ask(self, requests: bytes) -> bytes:
        """All that a client gets who sends ``requests`` and the end of input."""
        with self.connect() as client:
            client.sendall(requests)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65_536), b""))

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to this process, whose main thread serves."""
        self._signalled = True
        os.kill(os.getpid(), number)

    def _run(self) -> None:
        try:
            self._visit(self)
        except BaseException as error:
            self._errors.append(error)
        finally:
            if not self._signalled:
                self.signal()

    def leave(self) -> None:
        """Wait for the end of the visit; raise what went wrong in it."""
        assert self._thread is not None
        self._thread.join()
        for error in self._errors:
            raise error


Visit = Callable[[Visitor], None]


@contextlib.contextmanager
def visiting(visit: Visit) -> Iterator[Visitor]:
    """Visit the server that the body runs in the main thread."""
    visitor = Visitor(visit)
    logger = logging.getLogger("dumb_async.hosting.announcing")
    logger.addHandler(visitor)
    try:
        yield visitor
        visitor.leave()
    finally:
        logger.removeHandler(visitor)


def run_and_visit(visit: Visit, *service: dumb_async.Service, **options: Any) -> Any:
    """Run until the visit is over and a signal has come; return the announcement."""
    with visiting(visit) as visitor:
        dumb_async.run(*service, port=0, **options)
    return visitor.announcement


@pytest.mark.parametrize("number", SIGNALS, ids=["SIGTERM", "SIGINT"])
def test_a_signal_stops_it(runtime: Runtime, number: int) -> None:
    """Gracefully."""
    replies = []

    def visit(visitor: Visitor) -> None:
        with visitor.connect() as waiting:
            waiting.sendall(b"WAIT 0.05\nPING\n")
            replies.append(visitor.ask(b"PING\n"))
            visitor.signal(number)
            replies.append(b"".join(iter(lambda: waiting.recv(100), b"")))

    run_and_visit(visit, loop=runtime.name)
    assert [b"PONG\n", b"DONE\nPONG\n"] == replies


def test_a_second_signal_stops_it_at_once(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever is connected."""
    caplog.set_level(logging.INFO)

    def visit(visitor: Visitor) -> None:
        with visitor.connect() as idle, visitor.connect() as waiting:
            waiting.sendall(b"PING\nWAIT 3600\n")
            assert b"PONG\n" == waiting.recv(100)
            visitor.signal(signal.SIGTERM)
            assert b"" == idle.recv(100)
            visitor.signal(signal.SIGINT)
            assert b"" == waiting.recv(100)

    run_and_visit(visit, loop=runtime.name, timeout_graceful=3600)
    assert "SIGTERM: stopping, 2 clients connected" in caplog.text
    assert "SIGINT: stopping, 1 clients connected" in caplog.text


@pytest.mark.parametrize("loop", ["auto", *NAMES])
def test_the_announcement_says_what_serves_where(loop: str) -> None:
    """On one line that programs can read, whatever the level of the log is."""
    logging.getLogger("dumb_async").setLevel(logging.CRITICAL)
    try:
        record = run_and_visit(lambda _: None, loop=loop)
    finally:
        logging.getLogger("dumb_async").setLevel(logging.NOTSET)
    name = "uvloop" if loop == "auto" else loop
    assert re.fullmatch(
        rf"dumb_async serves on 127\.0\.0\.1:\d+ \({name}, \w+ 3\.\d+\.\S+\)", record.getMessage()
    )


def test_metrics_are_served_beside_it() -> None:
    """Where the announcement says, and no longer than the server runs."""
    pages = []

    def visit(visitor: Visitor) -> None:
        assert b"PONG\nPONG\n" == visitor.ask(b"PING\nPING\n")
        with urllib.request.urlopen(visitor.announcement.fields["metrics"], None, PATIENCE) as page:
            pages.append(page.read().decode())

    record = run_and_visit(visit, metrics_port=0)
    assert 'server_requests_total{request_type="ping"} 2.0' in pages[0]
    assert re.search(r", metrics on http://127\.0\.0\.1:\d+/metrics$", record.getMessage())
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(record.fields["metrics"], timeout=PATIENCE)


def test_a_service_of_ones_own_is_served() -> None:
    """With its own requests in the counts."""
    service = dumb_async.Service("mine")
    service.command("ECHO")(lambda text: bytes(text) + b"\n")
    replies = []
    run_and_visit(lambda visitor: replies.append(visitor.ask(b"ECHO hello\nPING\n")), service)
    assert [b"hello\nUNKNOWN_COMMAND\n"] == replies


def test_a_taken_port_is_a_plain_error(runtime: Runtime) -> None:
    """Before any loop is made."""
    with (
        socket.create_server(("127.0.0.1", 0)) as holder,
        pytest.raises(OSError, match="cannot listen"),
    ):
        dumb_async.run(loop=runtime.name, port=holder.getsockname()[1])


def test_a_taken_metrics_port_leaves_no_listener() -> None:
    """The server that does not start keeps no port."""
    opened: list[dumb_async.Server] = []
    listen = dumb_async.Server.listen

    def spy(server: dumb_async.Server) -> Any:
        opened.append(server)
        return listen(server)

    with (
        socket.create_server(("127.0.0.1", 0)) as holder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(dumb_async.Server, "listen", spy)
        with pytest.raises(OSError, match="cannot listen"):
            dumb_async.run(port=0, metrics_port=holder.getsockname()[1])
    listeners = opened[0]._listeners
    left_open = [listener.fileno() for listener in listeners if listener.fileno() >= 0]
    for listener in listeners:
        listener.close()
    assert [] == left_open


@pytest.mark.parametrize(
    "options", [{"loop": "twisted"}, {"port": -1}, {"limit_line": 0}], ids=["loop", "port", "limit"]
)
def test_mistakes_are_value_errors(options: dict[str, Any]) -> None:
    """Before anything is opened."""
    with pytest.raises(ValueError, match=r"twisted|port|limit_line"):
        dumb_async.run(**options)
