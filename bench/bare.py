"""The bare protocol of each runtime: PONG for every line, on the runtime's own I/O.

    python -m bench.bare LOOP PORT

It is the limit of every server on that loop: whoever lets the runtime read and write can
hardly answer sooner. There is no core, no command but PING, no limit, no time-out, no metric,
and a task only where the runtime has no I/O without one. What our server lacks of it is ours;
what it lacks itself of the floor in C is the runtime's and the interpreter's.

Like the floor it answers every line of a read in one write and checks nothing: it is right
about PINGs, of which one that came in pieces is answered with its last. A client that sends
without reading is its doom. asyncio, uvloop and anyio set TCP_NODELAY on what they accept;
for trio we do.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import anyio
import anyio.abc
import click
import trio
import uvloop

HOST: Final = "127.0.0.1"
BACKLOG: Final = 4096
READ_SIZE: Final = 65_536
PING: Final = b"PING\n"
PONG: Final = b"PONG\n"
BUFFER: Final = bytearray(READ_SIZE)
"""What asyncio reads into, whoever the client; for a plain Protocol it allocates 256 KiB a read."""


def pongs(data: bytes) -> bytes:
    """Return the replies to a read, which is one PING most often."""
    return PONG if data == PING else PONG * data.count(b"\n")


class Client(asyncio.BaseProtocol):
    """A client of asyncio or uvloop, answered in the callback: no task."""

    def connection_made(self, transport: Any) -> None:
        """Keep what writes."""
        self.write: Callable[[bytes], None] = transport.write


class BufferedClient(Client, asyncio.BufferedProtocol):
    """A client of asyncio, read into the shared buffer."""

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002
        """Return where to read into."""
        return BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Answer a read."""
        one = nbytes == len(PING)  # wherever they were cut, so many bytes hold one end of a line
        self.write(PONG if one else PONG * BUFFER.count(b"\n", 0, nbytes))


class PlainClient(Client, asyncio.Protocol):
    """A client of uvloop, which makes bytes of a read sooner than it asks for a buffer."""

    def data_received(self, data: bytes) -> None:
        """Answer a read."""
        self.write(pongs(data))


async def serve_transports(client: type[Client], port: int) -> None:
    """Accept clients of asyncio or uvloop for ever."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(client, HOST, port, backlog=BACKLOG)
    await server.serve_forever()


async def serve_sockets(port: int) -> None:
    """Accept clients of trio for ever, a task each."""
    async with trio.open_nursery() as nursery:
        with socket.create_server((HOST, port), backlog=BACKLOG) as listener:
            listener.setblocking(False)
            while True:
                await trio.lowlevel.wait_readable(listener)
                with suppress(BlockingIOError):  # one a turn would take a thousand for ever
                    while True:
                        nursery.start_soon(answer_socket, listener.accept()[0])


async def answer_socket(client: socket.socket) -> None:
    """Answer each read with system calls of our own, until the client is gone."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with client, suppress(OSError):
        fd = client.fileno()
        await trio.lowlevel.wait_readable(fd)
        while data := os.read(fd, READ_SIZE):
            os.write(fd, pongs(data))
            await trio.lowlevel.wait_readable(fd)


async def serve_streams(port: int) -> None:
    """Accept clients of anyio for ever, on any of its backends."""
    listener = await anyio.create_tcp_listener(local_host=HOST, local_port=port, backlog=BACKLOG)
    await listener.serve(answer_stream)


async def answer_stream(client: anyio.abc.SocketStream) -> None:
    """Answer each read as anyio's users would, until the client is gone."""
    async with client:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                await client.send(pongs(await client.receive()))


def run_anyio(port: int, backend: str, **options: bool) -> None:
    """Serve on one of anyio's backends."""
    anyio.run(serve_streams, port, backend=backend, backend_options=options)


RUN: Final[dict[str, Callable[[int], object]]] = {
    "uvloop": lambda port: uvloop.run(serve_transports(PlainClient, port)),
    "asyncio": lambda port: asyncio.run(serve_transports(BufferedClient, port)),
    "trio": lambda port: trio.run(serve_sockets, port),
    "anyio-asyncio": lambda port: run_anyio(port, "asyncio"),
    "anyio-uvloop": lambda port: run_anyio(port, "asyncio", use_uvloop=True),
    "anyio-trio": lambda port: run_anyio(port, "trio"),
}


@click.command()
@click.argument("loop", type=click.Choice(list(RUN)))
@click.argument("port", type=int)
def main(loop: str, port: int) -> None:
    """Serve on a port of 127.0.0.1 until killed."""
    RUN[loop](port)


if __name__ == "__main__":
    main(prog_name="python -m bench.bare")
