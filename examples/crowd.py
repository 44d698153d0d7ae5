"""A crowd of clients that just sit there, and one that asks PING beside them.

    python -m examples.crowd 5000

Each of the crowd has asked ``WAIT 3600`` and is connected until the end. What is printed
says how long the one had to wait for its PONGs, and what the crowd costs the server,
according to its metrics page.
"""

import re
import socket
import statistics
import struct
import time
import urllib.request
from contextlib import ExitStack

import click

from dumb_async.hosting import raise_descriptor_limit

SAMPLE = re.compile(r"^(\w+)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


def connect(host: str, port: int, number: int) -> socket.socket:
    """Connect from one of several loopback addresses: each has its own 28,000 ports."""
    client = socket.socket()
    if host.startswith("127."):
        client.bind((f"127.0.0.{2 + number // 20_000}", 0))
    # Closed by a reset, as a client that just closes may still want its reply.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.settimeout(10)
    client.connect((host, port))
    return client


def ask_pings(client: socket.socket) -> str:
    """Ask PING again and again; say how long the PONGs took, or what came instead."""
    waits = []
    for _ in range(200):
        began = time.perf_counter()
        client.sendall(b"PING\n")
        reply = client.recv(64)
        if reply != b"PONG\n":
            return reply.decode(errors="replace").strip() or "the connection was closed"
        waits.append((time.perf_counter() - began) * 1000)
    return f"median {statistics.median(waits):.2f} ms, slowest {max(waits):.2f} ms"


def read_metrics(url: str) -> dict[str, float]:
    """The samples of a metrics page by name, those of several workers added up."""
    with urllib.request.urlopen(url, timeout=10) as page:  # noqa: S310 -- the user's own URL
        samples: dict[str, float] = {}
        for name, value in SAMPLE.findall(page.read().decode()):
            samples[name] = samples.get(name, 0.0) + float(value)
        return samples


@click.command()
@click.argument("clients", type=click.IntRange(0))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8090, show_default=True)
@click.option("--metrics", default="http://127.0.0.1:9000/metrics", show_default=True)
def main(clients: int, host: str, port: int, metrics: str) -> None:
    """Connect CLIENTS clients that wait, and ask PING beside them."""
    raise_descriptor_limit()
    with ExitStack() as stack:
        try:
            for number in range(clients):
                client = stack.enter_context(connect(host, port, number))
                client.sendall(b"WAIT 3600\n")
            bystander = stack.enter_context(connect(host, port, clients))
            pings = ask_pings(bystander)
            samples = read_metrics(metrics)
        except OSError as error:
            hint = "is the server up, or has it had enough?"
            raise click.ClickException(f"{error}: {hint}") from error
    click.echo(
        f"{clients} clients connected; PING: {pings}\n"
        f"the server serves {samples['server_active_connections']:.0f} clients "
        f"with {samples['server_active_threads']:.0f} threads, "
        f"{samples['process_resident_memory_bytes'] / 2**20:.0f} MiB of memory, "
        f"{samples['process_virtual_memory_bytes'] / 2**30:.1f} GiB of address space"
    )


if __name__ == "__main__":
    main()
