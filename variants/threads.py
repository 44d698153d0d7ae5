"""A thread per connection: the loop of `iterative`, as often as there are clients.

    client 1 ◀──▶ thread 1 ┐
    client 2 ◀──▶ thread 2 ├── the kernel lets each run when its client is ready;
    client 3 ◀──▶ thread 3 ┘   the GIL lets one of them run Python at a time
         new ───▶ main thread: accept, start a thread, accept

The model. Each thread waits for its own client, so nobody waits for another's. The state of
a client is where its thread stands; the code is that of one client at a time.

Good at: hundreds of clients, code that blocks, libraries that know no other way.

Breaks: with thousands. Threads = clients, each with a stack (8 MiB of address space, some
tens of kilobytes of it real), each request a context switch or two. CPU work of one thread
holds the GIL for 5 ms at a time (`sys.getswitchinterval`), and whoever wants to answer a
PING waits for it. Look at ``server_active_threads`` and ``process_context_switches_total``.
"""

import os
import socket
import threading
from contextlib import suppress
from typing import Final

from dumb_async.hosting import NoRoom

from .common.blocking import BlockingClients, accept_until_stopped
from .common.host import Host
from .common.model import Model
from .common.tally import Tally

#: Bytes of address space for the stack of a thread, see pthread_create(3).
STACK: Final = 8 * 2**20


class Threads:
    """The main thread, and one more for each client."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.clients = BlockingClients(host)
        self.tally = Tally(host)
        self.running: set[threading.Thread] = set()
        host.count_with(lambda: len(self.running))
        threading.stack_size(STACK)
        host.capacity.each = 2 * STACK  # its own, and that of one that is told SERVER_BUSY

    def run(self) -> None:
        """Start a thread for whoever comes; in the end wait for all of them."""
        # A thread that wakes up shall not interrupt the one that runs (sched(7)): that one has
        # the GIL, and they would only change places twice. A tenth less time per request.
        with suppress(OSError):  # it need not be allowed
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        accept_until_stopped(self.host, self.host.acceptor(self.serve, self.clients.refuse_beside))
        for thread in list(self.running):
            thread.join()

    def serve(self, sock: socket.socket) -> None:
        """Serve a client in a thread of its own, if there can be one more."""
        thread = threading.Thread(target=self.talk, args=(sock,))
        self.running.add(thread)
        try:
            thread.start()
        except (
            RuntimeError,
            MemoryError,
        ) as error:  # the machine, or the memory limit, has had enough
            self.running.discard(thread)
            raise NoRoom("threads") from error

    def talk(self, sock: socket.socket) -> None:
        """Serve one client to the end: this is where its thread spends its life."""
        try:
            with self.tally.counting() as stats:
                self.clients.serve(sock, stats)
        finally:
            self.running.discard(threading.current_thread())


MODEL = Model("threads", Threads, "a thread per connection", __doc__)

if __name__ == "__main__":
    MODEL.main()
