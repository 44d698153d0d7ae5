"""The metrics page: prometheus_client's handler on the standard library's HTTP server.

A thread for each address that it listens on, and one for each scraper (`scrapers`). Some
descriptors are kept back (`spares`): the page is wanted most when all others are taken.
"""

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from socketserver import BaseServer, TCPServer, ThreadingMixIn
from threading import Thread
from typing import Any, Final

from prometheus_client import CollectorRegistry, MetricsHandler

from .acceptor import EXHAUSTED, PAUSE
from .listening import open_listeners
from .scrapers import Scrapers
from .spares import Spares

#: Seconds for which a scraper may be silent.
PATIENCE: Final = 5.0
#: Scrapers that may wait to be accepted.
BACKLOG: Final = 128
#: Descriptors kept back: for a scraper, and for what is read of /proc meanwhile.
SPARES: Final = 4
#: Bytes of a thread's stack. The usual 8 MiB may be all that there is under a memory limit,
#: just when somebody wants to see the metrics.
STACK_SIZE: Final = 2**20


@contextmanager
def _small_stack() -> Iterator[None]:
    """Threads started inside have a smaller stack."""
    before = threading.stack_size(STACK_SIZE)
    try:
        yield
    finally:
        threading.stack_size(before)


class _Handler(MetricsHandler):
    timeout = PATIENCE  # of every read and write, see socketserver.StreamRequestHandler
    server: "_HTTPServer"

    def parse_request(self) -> bool:
        understood = super().parse_request()
        self.server.scrapers.serve(self.connection)
        return understood

    def do_HEAD(self) -> None:  # noqa: N802 - the name is that of the base class
        self.do_GET()

    def end_headers(self) -> None:
        super().end_headers()
        self.server.scrapers.await_reader(self.connection)
        if self.command == "HEAD":
            self.wfile = io.BytesIO()  # for the page: whoever asked wants none

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _HTTPServer(ThreadingMixIn, TCPServer):
    """The page on one listening socket.

    :param scrapers: at the page, by whatever address.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, listener: socket.socket, handler: Any, scrapers: Scrapers, spares: Spares
    ) -> None:
        self.scrapers = scrapers
        self._spares = spares
        BaseServer.__init__(self, listener.getsockname()[:2], handler)
        self.socket = listener  # which TCPServer would make itself
        listener.setblocking(True)  # else `handle_request` would not wait for anybody

    def get_request(self) -> Any:
        try:
            return super().get_request()
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            if self._spares.release():
                return super().get_request()
            time.sleep(PAUSE)  # the connection stays in the queue, and this would spin
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self.scrapers.enter(request):
            self.shutdown_request(request)
            return
        with _small_stack():
            super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self.scrapers.leave(request)
        self._spares.close_socket(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a scraper that left is none of our business


class Exporter:
    """Serves a registry at ``/metrics`` from threads, from `__enter__` to `__exit__`.

    :param host: every address that it stands for, see `open_listeners`.
    :param port: 0 picks a free one, see `address`.
    :raises OSError: if none of them can be listened on.
    """

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        with ExitStack() as undo:
            listeners = [undo.enter_context(one) for one in open_listeners(host, port, BACKLOG)]
            self._scrapers, self._spares = Scrapers(), Spares(SPARES)
            undo.pop_all()
        handler = _Handler.factory(registry)
        self._servers = [
            _HTTPServer(listener, handler, self._scrapers, self._spares) for listener in listeners
        ]
        self._closing = False
        self._threads = [
            Thread(target=self._serve, args=(server,), name="metrics", daemon=True)
            for server in self._servers
        ]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens."""
        return [server.socket.getsockname()[:2] for server in self._servers]

    @property
    def address(self) -> tuple[str, int]:
        """The first place where it listens."""
        return self.addresses[0]

    def __enter__(self) -> "Exporter":
        try:
            with _small_stack():
                for thread in self._threads:
                    thread.start()
        except RuntimeError as error:
            raise OSError("no memory for a thread that serves metrics") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._scrapers.close()
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
            thread.join()
            server.server_close()
        self._spares.close()

    def _serve(self, server: _HTTPServer) -> None:
        # Not serve_forever: that looks twice a second whether it is to end.
        while not self._closing:
            server.handle_request()
