"""A worker from the inside: a host whose clients come over a channel."""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from prometheus_client import CollectorRegistry

from dumb_async.hosting import BURST, Acceptor, ServerCollector, Session

from .host import Host
from .model import Runnable
from .reports import pack, write_report
from .schedule import PeriodicTask, Schedule
from .state import EventHandler, State
from .timers import Timer
from .workers import CONNECTION, CUT, REPORT, Worker

MakeLoop = Callable[[Host], Runnable]


def work(parent: Host, worker: Worker, make_loop: MakeLoop, *, alone: bool) -> None:
    """Serve the clients that come over the channel of ``worker``, until it says stop.

    :param alone: this is the only worker of its process.
    """
    host = WorkerHost(parent, worker)
    if not alone:  # what is the process's, somebody else reports
        host.registry = CollectorRegistry()
        host.registry.register(ServerCollector(host.stats))
    try:
        make_loop(host).run()
    finally:
        host.close()
        worker.other_end.close()


class WorkerHost(Host):
    """A host without listening sockets.

    :param parent: the host of the process that accepts.
    :param worker: our channel, and where we count who is gone.
    """

    def __init__(self, parent: Host, worker: Worker) -> None:
        super().__init__(parent.launch, [])
        self._worker = worker

    def acceptors(self, acceptor: Acceptor, schedule: Schedule[Any]) -> list[EventHandler]:
        """The channel."""
        return [Handover(self, self._worker, acceptor, schedule)]

    @property
    def departed(self) -> int:
        """How many of those that were handed over are here no more."""
        return self._worker.gone[0]

    def gone(self) -> None:
        """One of those that were handed over is here no more."""
        self._worker.gone[0] += 1

    def left(self, session: Session[Any]) -> None:
        """See `Host.left`."""
        if session in self.sessions:
            self.gone()
        super().left(session)


class Handover:
    """The channel: an `EventHandler` that takes in connections that the parent has accepted."""

    def __init__(
        self, host: WorkerHost, worker: Worker, acceptor: Acceptor, schedule: Schedule[Any]
    ) -> None:
        self._host = host
        self._channel = worker.other_end
        self._acceptor = acceptor
        self._schedule = schedule
        self._channel.setblocking(False)
        self.fd = self._channel.fileno()
        self.state = State.READING
        self.timer: Timer | None = None

    def ready(self) -> State:
        """Take in what has come over the channel, a batch at the most."""
        for _ in range(BURST):
            try:
                word, descriptor = _receive(self._channel)
            except BlockingIOError:
                break
            if not self._obey(word, descriptor):
                return State.CLOSED
        return self.state

    def _obey(self, word: bytes, descriptor: int | None) -> bool:
        """Do what the parent says; false if it says nothing any more."""
        if word == CONNECTION:
            self._take(descriptor)
        elif word.startswith(REPORT):
            self._report(int(word[1:]))
        elif word == CUT:
            self._host.cancel()
        else:
            self._stop()
        return bool(word)

    def resume(self) -> State:
        """Never called: it does not sleep."""
        return self.state

    def close(self) -> None:
        """Our parent is gone; the channel is closed by who opened it."""
        self.state = State.CLOSED

    def _take(self, descriptor: int | None) -> None:
        if descriptor is None:  # we have run out of them
            self._host.stats.reject("emfile")
            self._host.gone()
            return
        before = self._host.count(), self._host.departed
        self._acceptor.take(socket.socket(fileno=descriptor))
        if before == (self._host.count(), self._host.departed):  # it was never ours
            self._host.gone()

    def _report(self, number: int) -> None:
        report = pack(number, write_report(self._host.registry))
        with suppress(OSError):  # nobody waits for it any more
            self._channel.send(report)

    def _stop(self) -> None:
        if not self._host.stopping:
            self._host.stop()
            Cutter(self._host, self._schedule)


def _receive(channel: socket.socket) -> tuple[bytes, int | None]:
    """Read a word, and the descriptor that came with it: one that no program inherits.

    `socket.recv_fds` (3.13) does not pass the flag on that says so.
    """
    size = socket.CMSG_SPACE(struct.calcsize("i"))
    word, ancillary, _, _ = channel.recvmsg(64, size, socket.MSG_CMSG_CLOEXEC)
    return word, struct.unpack("i", ancillary[0][2])[0] if ancillary else None


class Cutter(PeriodicTask):
    """Cuts everybody off once the grace is over, also when nobody is left to say so."""

    def __init__(self, host: Host, schedule: Schedule[Any]) -> None:
        super().__init__()
        self._host = host
        schedule.sleep(self, host.settings.timeout_graceful)

    def resume(self) -> State:
        """It is over."""
        self._host.cancel()
        return self.state
