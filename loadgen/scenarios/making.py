"""The process that makes the trouble: it cannot make the bystander late."""

import multiprocessing
import os
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

from dumb_async.hosting import raise_descriptor_limit

from ..counts import Fault, Phase
from ..interrupting import interruptible
from ..shelter import be_deaf, sheltered
from .crowd import Crowd
from .table import Scenario

#: Seconds in which not one client more is served, after which the rest is not waited for.
STUCK_AFTER: Final = 1.0
#: Seconds within which all trouble is made, or as much as there will be.
READY_WITHIN: Final = 20.0
#: Seconds between two looks at how far it is.
LOOK: Final = 0.05
#: The share of the clients that have to be served for the trouble to be what it is called.
ENOUGH: Final = 0.9

_context = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Made:
    """What trouble was made.

    :param clients: how many there were to be.
    :param connected: how many got a connection.
    :param served: how many the server has taken in, to do what they ask for.
    :param held: how many still had their connection in the end.
    :param sent: bytes, and ``received`` bytes, ``replies`` likewise.
    :param seconds: from the first connection to the end.
    :param error: the last that kept one from connecting.
    """

    clients: int = 0
    connected: int = 0
    served: int = 0
    held: int = 0
    sent: int = 0
    received: int = 0
    replies: int = 0
    seconds: float = 0.0
    error: str = ""

    @property
    def enough(self) -> bool:
        """Whether the server really had the trouble that it was to have."""
        return self.served >= ENOUGH * self.clients

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes."""
        return {**asdict(self), "enough": self.enough}


class Troubling:
    """Makes trouble from the beginning of its ``with`` block to the end of it.

    In the block all clients are served of whom that can be; afterwards all are reset.

    :param address: of the server: family, and what `socket.connect` takes.
    :param seconds: after which it ends, whatever becomes of us.
    :param cpus: those its process may run on; empty: all.
    """

    def __init__(
        self, scenario: Scenario, address: tuple[Any, Any], seconds: float, cpus: Sequence[int] = ()
    ) -> None:
        self._arguments = (scenario, address, seconds, tuple(cpus))
        self._clients = scenario.clients
        self.made = Made()

    def __enter__(self) -> Self:
        self._pipe, theirs = _context.Pipe()
        self._process = _context.Process(
            target=_be_process, args=(*self._arguments, theirs), daemon=True
        )
        with theirs, sheltered():
            self._process.start()
        try:
            with interruptible():
                self._hear()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._pipe.send(None)
                self._hear()
        except OSError:  # it has ended
            pass
        finally:
            self._end()

    def _hear(self) -> None:
        """Take in what it has made so far."""
        try:
            self.made = self._pipe.recv()
        except (EOFError, OSError):
            self.made = Made(self._clients, error="the process that makes it has ended")

    def _end(self) -> None:
        self._pipe.close()  # it takes that for the end
        self._process.join(2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _be_process(
    scenario: Scenario,
    address: tuple[socket.AddressFamily, Any],
    seconds: float,
    cpus: tuple[int, ...],
    pipe: "Connection[Made, None]",
) -> None:
    """Be the process: say what is made when it is, and again when asked to end."""
    be_deaf()
    if cpus:
        os.sched_setaffinity(0, cpus)
    raise_descriptor_limit()
    maker = _Maker(scenario, address)
    try:
        maker.set_up(monotonic() + READY_WITHIN)
        pipe.send(maker.made)
        maker.go_on(pipe, monotonic() + seconds)
        pipe.send(maker.made)
    except BrokenPipeError:  # nobody is left to tell
        pass
    finally:
        maker.crowd.close()


class _Maker:
    def __init__(self, scenario: Scenario, address: tuple[socket.AddressFamily, Any]) -> None:
        assert scenario.kind is not None
        self._clients = scenario.clients
        self._trouble = scenario.kind()
        self._begun = monotonic()
        self._tick = self._begun
        self.crowd = Crowd(address, scenario.clients, self._trouble)

    def set_up(self, deadline: float) -> None:
        """Return when all are served, or no more are for a while."""
        served, progress, look = 0, monotonic(), 0.0
        while (now := monotonic()) < min(deadline, progress + STUCK_AFTER):
            self._turn(now + LOOK)
            if now < look:
                continue
            look = now + LOOK
            if (reached := self.crowd.count(self._trouble.is_served)) > served:
                served, progress = reached, now
            if served == self._clients:
                return

    def go_on(self, pipe: "Connection[Made, None]", deadline: float) -> None:
        """Make trouble until told to end, or nobody is left to tell."""
        while not pipe.poll() and (now := monotonic()) < deadline:
            self._turn(now + LOOK)

    @property
    def made(self) -> Made:
        """What is made so far."""
        crowd, error = self.crowd, self.crowd.error
        return Made(
            clients=self._clients,
            connected=len(crowd.clients),
            served=crowd.count(self._trouble.is_served),
            held=crowd.count(lambda client: client.established),
            sent=crowd.sent,
            received=crowd.received,
            replies=self._trouble.replies,
            seconds=monotonic() - self._begun,
            error=str(Fault.of(Phase.CONNECT, error)) if error else "",
        )

    def _turn(self, until: float) -> None:
        self.crowd.turn(min(until, self._tick))
        self._tick = self._trouble.tick(self.crowd.clients, monotonic())
