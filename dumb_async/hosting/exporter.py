"""The metrics page: prometheus_client's handler on the standard library's HTTP server.

A thread per scraper, `SCRAPERS` at the most: when one more comes, whoever has been
there longest is cut off. A scrape takes milliseconds, so that is somebody idle or
silent, and a real scraper gets through.
"""

import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

from prometheus_client import CollectorRegistry, MetricsHandler

from .acceptor import EXHAUSTED, PAUSE
from .listening import explained

#: Scrapers served at a time.
SCRAPERS: Final = 8
#: Seconds for which a scraper may be silent.
PATIENCE: Final = 5.0


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

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Any, family: int) -> None:
        self.address_family = family
        self._scrapers: deque[socket.socket] = deque()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # HTTPServer's own looks the name of the address up, which can take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = host, port = self.socket.getsockname()[:2]
        self.server_name, self.server_port = host, port

    def get_request(self) -> Any:
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in EXHAUSTED:
                time.sleep(PAUSE)  # the connection stays in the queue, and this would spin
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self._scrapers) >= SCRAPERS:
            with suppress(OSError):
                self._scrapers.popleft().shutdown(socket.SHUT_RDWR)  # its thread does the rest
        self._scrapers.append(request)
        with _small_stack():
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with suppress(ValueError):
            self._scrapers.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a scraper that left is none of our business


class Exporter:
    """Serves a registry at ``/metrics`` from a thread, from `__enter__` to `__exit__`.

    :param port: 0 picks a free one, see `url`.
    :raises OSError: if the address cannot be listened on.
    """

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        with explained(host, port):
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._server = _HTTPServer(
                (str(address[0]), int(address[1])), _Handler.factory(registry), family
            )
        self._closing = False
        self._thread = Thread(target=self._serve, name="metrics", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def __enter__(self) -> "Exporter":
        try:
            with _small_stack():
                self._thread.start()
        except RuntimeError as error:
            raise OSError("no memory for a thread that serves metrics") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        # Not serve_forever: that looks twice a second whether it is to end.
        while not self._closing:
            self._server.handle_request()
