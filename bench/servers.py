"""A server to measure: started on CPUs of its own, ready when used, gone afterwards."""

import resource
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.machine import BenchError
from dumb_async import dumb_service
from variants.compare.servers import HOST, Probe, Server, ServerFailed, free_port
from variants.compare.servers import running as started
from variants.compare.usage import family, private_bytes

REPLY_WITHIN_S = 20.0
SPARE_DESCRIPTORS = 100
PROBE = Probe(dumb_service(), b"PING")

__all__ = ["HOST", "Server", "ask", "check_descriptors", "connect", "held_bytes", "running"]


@contextmanager
def running(command: Sequence[str], *cpus: int) -> Iterator[Server]:
    """Start a server on these CPUs and a free port, which its command has for ``{port}``.

    It is ready inside the block, and it and its children are gone after, however that ends.
    Raises BenchError where it does not answer PING in time.
    """
    port = free_port()
    words = [word.replace("{port}", str(port)) for word in command]
    try:
        with started(words, port, PROBE, cpus) as server:
            yield server
    except ServerFailed as error:
        raise BenchError(f"the server did not answer PING: {error}") from None


def ask(server: Server, request: str) -> str:
    """Return the one-line reply to a request made on a connection of its own."""
    with connect(server.port) as client:
        client.sendall(request.encode() + b"\n")
        reply = client.makefile("rb").readline()
    return reply.decode(errors="replace").rstrip("\n")


def held_bytes(server: Server) -> int:
    """Private memory of the server and its children, see `private_bytes`."""
    return private_bytes(family(server.pid))


def check_descriptors(count: int) -> None:
    """Raise BenchError where we may not hold so many connections, nor may a server we start."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if count > limit - SPARE_DESCRIPTORS:
        raise BenchError(f"{count} connections do not fit in the descriptor limit of {limit}")


def connect(port: int, timeout: float = REPLY_WITHIN_S) -> socket.socket:
    """Connect to a server; the timeout, in seconds, holds for every later call too."""
    client = socket.create_connection((HOST, port), timeout)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client
