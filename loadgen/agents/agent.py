"""One agent: the body of a process."""

import asyncio
import contextlib
import gc
import os
import select
import socket
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any

import uvloop

from dumb_async import Service, ServiceNotFound, dumb_service, load_service
from dumb_async.hosting import (
    Address,
    raise_descriptor_limit,
    reachable_address,
    search_current_folder,
)

from ..engine import Engine, Target
from ..engine.addresses import explained, family_of, scoped
from ..shelter import be_deaf
from .messages import Done, Failed, FromAgent, Go, Job, Outcome, Progress, Ready, ToAgent

#: Bytes of a wrong reply that are shown.
_SHOWN = 80
#: Seconds until one of a name's several addresses is given up.
_PROBE = 1.0


def be_agent(job: Job, pipe: "Connection[FromAgent, ToAgent]") -> None:
    """Do the job; to be called in a process of its own, which ends with it."""
    be_deaf()  # the crew says when to stop
    if job.cpus:
        os.sched_setaffinity(0, job.cpus)
    if job.urgent:
        with contextlib.suppress(OSError):  # it need not be allowed
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    raise_descriptor_limit()
    search_current_folder()
    gc.disable()  # what a run leaves in cycles is little, and a collection makes it late
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_Agent(job, pipe).work())
    except (OSError, ServiceNotFound) as error:
        pipe.send(Failed(str(error)))


class _Agent:
    def __init__(self, job: Job, pipe: "Connection[FromAgent, ToAgent]") -> None:
        self._job = job
        self._pipe = pipe
        self._start: asyncio.Future[float | None] = asyncio.Future()
        self._engine: Engine
        self._room = select.poll()  # a pipe that nobody reads from has none
        self._room.register(pipe, select.POLLOUT)

    async def work(self) -> None:
        """Connect, wait for the word, carry out the plan."""
        job, loop = self._job, asyncio.get_running_loop()
        address = await resolve(loop, job.target, family_of(job.options.sources))
        engine = Engine(loop, job.plan, service_of(job.target), address, job.options)
        self._start, self._engine = loop.create_future(), engine
        loop.set_exception_handler(self._give_up)
        loop.add_reader(self._pipe.fileno(), self._listen)
        # libuv has made it one that does not block, which would take a part of a message only.
        os.set_blocking(self._pipe.fileno(), True)
        try:
            start = await self._get_ready()
            if start is not None:
                self._report(monotonic())
                await engine.run(start)
            self._done()
        finally:
            await engine.close()

    def _give_up(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End where something in here is wrong: the run would hang, or its figures be so."""
        error = context.get("exception")
        if isinstance(error, OSError) and "transport" in context:
            return  # of the network, and the client hears of it
        self._pipe.send(Failed(f"the generator has failed: {error!r} ({context['message']})"))
        os._exit(1)

    async def _get_ready(self) -> float | None:
        """Connect, and wait for the word: when to start; ``None``: it is over before that."""
        connecting = asyncio.ensure_future(self._engine.connect())
        either: set[asyncio.Future[Any]] = {connecting, self._start}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._start.done():
            connecting.cancel()
            return None
        await connecting
        self._pipe.send(Ready(self._engine.tally))
        return await self._start

    def _done(self) -> None:
        engine, wrong = self._engine, self._engine.wrong
        shown = (wrong[0][:_SHOWN], wrong[1][:_SHOWN]) if wrong else None
        self._pipe.send(Done(Outcome(engine.tally, engine.vitals, shown)))

    def _listen(self) -> None:
        try:
            message = self._pipe.recv()
        except (EOFError, OSError):  # nobody is left to work for
            os._exit(1)
        if isinstance(message, Go):
            self._start.set_result(message.start)
        elif self._start.done():
            self._engine.stop()
        else:
            self._start.set_result(None)

    def _report(self, due: float) -> None:
        """Tell what is counted, but wait for nobody: the next report has it all, too."""
        if self._job.report_every:
            if self._room.poll(0):
                self._pipe.send(Progress(self._engine.tally))
            self._engine.agenda.at(due + self._job.report_every, self._report)


def service_of(target: Target) -> Service:
    """Return what the target speaks.

    :raises ServiceNotFound: if there is no such service.
    """
    return load_service(target.service) if target.service else dumb_service()


async def resolve(
    loop: asyncio.AbstractEventLoop,
    target: Target,
    family: socket.AddressFamily = socket.AF_UNSPEC,
) -> Address:
    """Return the target's address, see `address_of`; meanwhile the loop goes on.

    :raises OSError: if there is none of that name.
    """
    return await loop.run_in_executor(None, address_of, target, family)


def address_of(target: Target, family: socket.AddressFamily = socket.AF_UNSPEC) -> Address:
    """Return the target's address.

    Of several, as ``localhost`` often has them, the first that can be connected to.

    :param family: which it has to be of.
    :raises OSError: if there is none of that name.
    """
    if known := scoped(target.host, target.port):
        return known
    with explained(target.host, family):
        return reachable_address(target.host, target.port, _PROBE, family)
