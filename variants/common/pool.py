"""The workers of an acceptor: started, told to stop, waited for, and missed when they die."""

import functools
import logging
import os
import select
import sys
from collections.abc import Callable
from typing import Any, Final

import click

from dumb_async.hosting import PAUSE, Count, descriptor_limit

from .host import Host
from .reports import joined, write_report
from .worker import MakeLoop, work
from .workers import CUT, Process, Spawned, Thread, Worker

logger = logging.getLogger(__name__)

#: Descriptors of a process that are not for clients.
RESERVED: Final = 48
#: Seconds beyond the grace after which a worker that does not end is made to.
PATIENCE: Final = 2.0


def workers_option(default: str) -> Callable[[Any], Any]:
    """The option --workers, for a model that takes ``default`` without it."""
    return click.option(
        "--workers", type=Count(1, 512), help=f"How many workers.  [default: {default}]"
    )


class WorkerPool:
    """Processes or threads that each run a loop of their own, behind a channel each.

    :param workers: how many; ``None``: one for each CPU there is for us.
    :param threads: they are threads, not processes.
    :param make_loop: what runs in each.
    """

    def __init__(
        self, host: Host, workers: int | None, make_loop: MakeLoop, *, threads: bool
    ) -> None:
        self.workers: dict[Worker, Spawned] = {}
        self._host = host
        self._threads = threads
        count = workers or len(os.sched_getaffinity(0))
        room = (descriptor_limit() - RESERVED) // (count if threads else 1)
        for _ in range(count):
            self._spawn(Worker(max(room, 1)), make_loop)
        host.count_with(lambda: sum(worker.clients for worker in self.workers))
        host.at_cancel.append(functools.partial(self._tell, CUT))
        own = host.registry
        host.stats.threads = 0  # the acceptor's serves nobody
        sources = {str(number): worker.report for number, worker in enumerate(self.workers)}
        host.registry = joined({"acceptor": lambda: write_report(own), **sources}, own.collect())

    def wait_for_room(self) -> None:
        """Wait until a channel that is full takes more, or until somebody may have left."""
        full = [worker.channel for worker in self.workers if worker.has_room]
        if not full:
            self._host.stats.reject("emfile")
        deaths = self.deaths()
        events = select.poll()  # select() would know no more than 1,024 descriptors
        for channel in full:
            events.register(channel, select.POLLOUT)
        for ended in deaths:
            events.register(ended, select.POLLIN)
        for fd, _ in events.poll(PAUSE * 1000):
            if fd in deaths:
                deaths[fd]()

    def deaths(self) -> dict[int, Callable[[], None]]:
        """What to do when one of these descriptors is readable: one of the processes has ended."""
        return {
            spawned.ended: functools.partial(self._bury, worker)
            for worker, spawned in self.workers.items()
            if isinstance(spawned, Process) and worker.alive
        }

    def stop(self) -> None:
        """Have all workers stop, and wait for them; exit with status 1 if all have died."""
        failed = not any(worker.alive for worker in self.workers)
        for worker in self.workers:
            worker.stop()
        for spawned in self.workers.values():
            spawned.join(self._host.settings.timeout_graceful + PATIENCE)
        if failed:
            sys.exit(1)

    def _spawn(self, worker: Worker, make_loop: MakeLoop) -> None:
        if self._threads:
            task = functools.partial(work, self._host, worker, make_loop, alone=False)
            self.workers[worker] = Thread(task)
        else:
            task = functools.partial(self._be_worker, worker, make_loop)
            self.workers[worker] = Process(task)
            worker.other_end.close()

    def _be_worker(self, worker: Worker, make_loop: MakeLoop) -> None:
        """Work in a process of its own: let go of what is the acceptor's, and the others'."""
        for listener in self._host.listeners:
            listener.close()
        for one in (worker, *self.workers):
            one.channel.close()
        work(self._host, worker, make_loop, alone=True)

    def _tell(self, word: bytes) -> None:
        for worker in self.workers:
            worker.tell(word)

    def _bury(self, worker: Worker) -> None:
        """Hand nobody to a worker that has ended; stop when it was the last."""
        if not worker.alive:
            return
        worker.alive = False
        logger.error("a worker has ended, and its clients with it")
        if not any(worker.alive for worker in self.workers):
            self._host.stop()
