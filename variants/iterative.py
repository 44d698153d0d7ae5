"""One client at a time: accept, serve to the end, accept the next.

    client 1 ◀──── served ────▶ the server
    client 2 ── waits ──┐
    client 3 ── waits ──┴──▶ in the kernel's queue, until client 1 has gone

The model. The plain loop of a first course: every call waits for what it wants, and while
it waits, the whole server does.

Good at: being understood; jobs so short, or clients so few, that nobody minds.

Breaks: with the second client. It waits for everything the first one does: a WAIT, a slow
reader, a slow sender, or a client that says nothing at all and just does not leave. It is
connected, as the kernel has done that, and its requests are in a buffer; nobody reads them.
"""

import socket

from .common.blocking import BlockingClients, accept_until_stopped
from .common.host import Host
from .common.model import Model
from .common.needs import Need


class Iterative:
    """The loop."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.clients = BlockingClients(host)

    def run(self) -> None:
        """Serve one client after the other."""
        accept_until_stopped(self.host, self.host.acceptor(self.serve, self.clients.refuse))

    def serve(self, sock: socket.socket) -> None:
        """Serve this client, and nobody else until it leaves."""
        self.clients.serve(sock, self.host.stats)


MODEL = Model(
    "iterative",
    Iterative,
    "one client at a time; everyone else waits",
    __doc__,
    lacks={Need.SEVERAL_CLIENTS: "one client at a time"},
)

if __name__ == "__main__":
    MODEL.main()
