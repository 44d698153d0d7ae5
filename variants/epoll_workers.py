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

import functools
import itertools
import logging
import os
import select
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

import click

from dumb_async.hosting import PAUSE, raise_descriptor_limit

from .common.blocking import BlockingClients, accept_until_stopped
from .common.host import Host
from .common.model import Model
from .common.reports import joined, write_report
from .common.worker import MakeLoop, work
from .common.workers import CUT, Process, Spawned, Thread, Worker
from .epoll import Epoll

logger = logging.getLogger(__name__)

#: Descriptors of a process that are not for clients.
RESERVED: Final = 48
#: Seconds beyond the grace after which a worker that does not end is made to.
PATIENCE: Final = 2.0


def workers_option(default: str) -> Callable[[Any], Any]:
    """The option --workers, for a model that takes ``default`` without it."""
    return click.option(
        "--workers", type=click.IntRange(1, 512), help=f"How many workers.  [default: {default}]"
    )


class EpollWorkers:
    """The acceptor, and its workers.

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
        self.threads = threads
        self.workers: dict[Worker, Spawned] = {}
        count = workers or len(os.sched_getaffinity(0))
        room = (raise_descriptor_limit() - RESERVED) // (count if threads else 1)
        for _ in range(count):
            self.spawn(Worker(max(room, 1)), make_loop)
        self.round = itertools.cycle(self.workers)
        host.count_with(lambda: sum(worker.clients for worker in self.workers))
        host.at_cut.append(functools.partial(self.tell, CUT))
        own = host.registry
        host.stats.threads = 0  # the acceptor's serves nobody
        sources = {str(number): worker.report for number, worker in enumerate(self.workers)}
        host.registry = joined({"acceptor": lambda: write_report(own), **sources})

    def run(self) -> None:
        """Hand over whoever comes; in the end wait for all workers."""
        refuse = BlockingClients(self.host).refuse_beside
        accept_until_stopped(self.host, self.host.acceptor(self.hand_over, refuse), self.deaths())
        failed = not any(worker.alive for worker in self.workers)
        for worker in self.workers:
            worker.stop()
        for spawned in self.workers.values():
            spawned.join(self.host.settings.timeout_graceful + PATIENCE)
        if failed:
            sys.exit(1)

    def hand_over(self, sock: socket.socket) -> None:
        """Give a connection to the next worker that has room; wait until there is one."""
        with sock:
            while not any(next(self.round).take(sock) for _ in self.workers):
                if self.host.stopping:
                    return
                self.wait_for_room()

    def wait_for_room(self) -> None:
        """Wait until a channel that is full takes more, or until somebody may have left."""
        full = [worker.channel for worker in self.workers if worker.has_room]
        if not full:
            self.host.stats.reject("emfile")
        deaths = self.deaths()
        events = select.poll()  # select() would know no more than 1,024 descriptors
        for channel in full:
            events.register(channel, select.POLLOUT)
        for ended in deaths:
            events.register(ended, select.POLLIN)
        for fd, _ in events.poll(PAUSE * 1000):
            if fd in deaths:
                deaths[fd]()

    def spawn(self, worker: Worker, make_loop: MakeLoop) -> None:
        """Start a worker."""
        if self.threads:
            task = functools.partial(work, self.host, worker, make_loop, alone=False)
            self.workers[worker] = Thread(task)
        else:
            task = functools.partial(self.be_worker, worker, make_loop)
            self.workers[worker] = Process(task)
            worker.other_end.close()

    def be_worker(self, worker: Worker, make_loop: MakeLoop) -> None:
        """Work in a process of its own: let go of what is the acceptor's, and the others'."""
        for listener in self.host.listeners:
            listener.close()
        for one in (worker, *self.workers):
            one.channel.close()
        work(self.host, worker, make_loop, alone=True)

    def tell(self, word: bytes) -> None:
        """Say a word to all workers."""
        for worker in self.workers:
            worker.tell(word)

    def deaths(self) -> dict[int, Callable[[], None]]:
        """What to do when one of the processes ends."""
        return {
            spawned.ended: functools.partial(self.bury, worker)
            for worker, spawned in self.workers.items()
            if isinstance(spawned, Process) and worker.alive
        }

    def bury(self, worker: Worker) -> None:
        """Hand nobody to a worker that has ended; stop when it was the last."""
        if not worker.alive:
            return
        worker.alive = False
        logger.error("a worker has ended, and its clients with it")
        if not any(worker.alive for worker in self.workers):
            self.host.stop()


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
