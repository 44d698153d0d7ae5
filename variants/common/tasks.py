"""The tasks of a server made of hand-made coroutines: accept, and one for whoever comes."""

import os
import socket
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from dumb_async.hosting import PAUSE, Acceptor, Session, Stats, open_session

from .host import Host
from .schedule import LAG_INTERVAL
from .scheduler import Scheduler, Task, Wait, readable, sleep

Body = Callable[[Session[Any]], Coroutine[Wait, None, None]]


class Tasks:
    """Begins the tasks of a server.

    :param open_stream: makes the stream of a connected socket.
    :param serve: serves a client, to the end.
    :param linger: lets one that is refused read why.
    """

    def __init__(
        self,
        host: Host,
        scheduler: Scheduler,
        open_stream: Callable[[socket.socket], Any],
        serve: Body,
        linger: Body,
    ) -> None:
        self._host = host
        self._scheduler = scheduler
        self._open_stream = open_stream
        self._serve = serve
        self._linger = linger
        self._context = host.context(scheduler.schedule.deadlines)
        self._refused = host.context(scheduler.schedule.deadlines, refused=True)

    def spawn(self) -> None:
        """Accept on every listening socket until the host stops; measure how late tasks run."""
        host, scheduler = self._host, self._scheduler
        acceptor = host.acceptor(self._admit, self._refuse)
        acceptors = [
            scheduler.spawn(_accept(host, acceptor, listener), listener.fileno())
            for listener in host.listeners
        ]
        scheduler.spawn(_wait_for_stop(host, scheduler, acceptors), host.stop_event)
        scheduler.spawn(_measure_lag(host.stats))

    def _admit(self, sock: socket.socket) -> None:
        session = open_session(sock, self._open_stream(sock), self._context)
        self._host.serve(session)
        self._spawn(session, self._serve(session))
        self._host.stats.connections += 1

    def _refuse(self, sock: socket.socket) -> None:
        session = open_session(sock, self._open_stream(sock), self._refused)
        if self._host.reject(session):
            self._spawn(session, self._see_out(session))
        else:
            session.close()
            sock.close()

    async def _see_out(self, session: Session[Any]) -> None:
        try:
            await self._linger(session)
        finally:
            session.close()
            await session.stream.aclose()

    def _spawn(self, session: Session[Any], coroutine: Coroutine[Wait, None, None]) -> None:
        try:
            self._scheduler.spawn(coroutine, session.stream.fd)
        except BaseException:
            coroutine.close()
            session.close()  # the socket is the acceptor's again
            raise


async def _accept(host: Host, acceptor: Acceptor, listener: socket.socket) -> None:
    """Accept until the host stops, and then those who wait."""
    while not host.stopping:
        await readable()
        if not acceptor.accept_burst(listener):
            await sleep(PAUSE)
    host.accept_rest(acceptor, listener)


async def _wait_for_stop(host: Host, scheduler: Scheduler, acceptors: list[Task]) -> None:
    """Wake those who accept once the host is to stop."""
    await readable()
    os.eventfd_read(host.stop_event)
    for task in acceptors:
        scheduler.schedule.queue(task)


async def _measure_lag(stats: Stats) -> None:
    """Sleep, and count how much longer it took."""
    while True:
        due = monotonic() + LAG_INTERVAL
        await sleep(LAG_INTERVAL)
        stats.observe_lag(max(monotonic() - due, 0.0))
