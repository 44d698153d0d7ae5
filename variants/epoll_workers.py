"""An acceptor that hands connections round-robin to workers, each with an epoll of its own.

                       ┌─ channel ─▶ worker 0: the loop of `epoll` ◀──▶ clients 0, 2, 4 …
    new ──▶ acceptor ──┤
                       └─ channel ─▶ worker 1: the loop of `epoll` ◀──▶ clients 1, 3, 5 …

The model. One process accepts and does nothing else. Whoever comes is handed to the next
worker in turn, as a descriptor over a Unix socket (SCM_RIGHTS); from then on only that
worker knows the client. The kernel's own ways to share the work are uneven: 400 connections
over four workers fell [0, 91, 118, 191] on one shared listener, [86, 102, 104, 108] with
SO_REUSEPORT; here it is 100 each.

Good at: using every core. The workers are processes, as the GIL would undo threads:
``--threads`` shows exactly that. A worker that dies takes its own clients along, no others.

Breaks: where work is uneven. A client stays where it is, so one worker may burn while
another is idle. Clients of different workers share no memory. Metrics are per worker
(``worker="0"``), and the acceptor is one more process for each connection to pass.
"""

import itertools
import socket

import click

from .common.blocking import BlockingClients, accept_until_stopped
from .common.host import Host
from .common.model import Model
from .common.pool import WorkerPool, workers_option
from .common.worker import MakeLoop
from .epoll import Epoll


class EpollWorkers:
    """The acceptor.

    :param workers: how many; ``None``: one for each CPU there is for us.
    :param threads: they are threads, not processes.
    :param make_loop: what runs in each.
    """

    def __init__(
        self,
        host: Host,
        workers: int | None = None,
        *,
        threads: bool = False,
        make_loop: MakeLoop = Epoll,
    ) -> None:
        self.host = host
        self.pool = WorkerPool(host, workers, make_loop, threads=threads)
        self.round = itertools.cycle(self.pool.workers)

    def run(self) -> None:
        """Hand over whoever comes; in the end wait for all workers."""
        refuse = BlockingClients(self.host).refuse_beside
        acceptor = self.host.acceptor(self.hand_over, refuse)
        accept_until_stopped(self.host, acceptor, self.pool.deaths())
        self.pool.stop()

    def hand_over(self, sock: socket.socket) -> None:
        """Give a connection to the next worker that has room; wait until there is one."""
        with sock:
            while not any(next(self.round).take(sock) for _ in self.pool.workers):
                if self.host.stopping:
                    return
                self.pool.wait_for_room()


MODEL = Model(
    "epoll-workers",
    EpollWorkers,
    "round-robin hand-over to workers with private epolls",
    __doc__,
    options=(
        workers_option("as many as the CPUs it may run on"),
        click.option("--threads", is_flag=True, help="Workers are threads, and share the GIL."),
    ),
)

if __name__ == "__main__":
    MODEL.main()
