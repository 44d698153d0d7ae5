"""One scenario, from the trouble to the verdict."""

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic, sleep
from typing import Any, Final

from ..agents import Job
from ..agents.agent import address_of
from ..conducting import CannotRun, check_cpus, conduct
from ..counts import Fault, Phase
from ..engine import Options, Target
from ..interrupting import interruptible, keep
from ..plan import Plan, Profile
from ..results import Result, Threshold
from .making import READY_WITHIN, Made, Troubling
from .table import Scenario

#: What is asked of a server unless said otherwise.
SLO: Final = (Threshold.parse("p99<50ms"),)
#: Requests that the bystander's one connection may have under way: it never waits.
_PIPELINE: Final = 10_000
#: Seconds that a socket waits at the most: poll(2) counts milliseconds in an int.
_LONGEST: Final = 86_400.0


class Verdict(Enum):
    """How a server did."""

    HELD = "held"
    MISSED = "missed"
    #: Not met, and the generator was late itself.
    INVALID = "invalid"
    #: Met, but the server did not have the trouble that it was to have.
    HOLLOW = "hollow"
    #: Not played: the server had not recovered from the trouble before.
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Beside:
    """How the bystander is, and what is asked of the server.

    :param slo: what the bystander's result has to meet, besides having no errors.
    :param seconds: how long it looks on.
    :param rate: its PINGs a second.
    :param timeout: seconds after which it gives one up.
    :param patience: seconds in which a server has to recover.
    :param cpus: those it may run on; empty: all. ``trouble_cpus``: those of the trouble.
    """

    slo: tuple[Threshold, ...] = SLO
    seconds: float = 3.0
    rate: float = 200.0
    timeout: float = 2.0
    patience: float = 5.0
    cpus: tuple[int, ...] = ()
    trouble_cpus: tuple[int, ...] = ()

    @property
    def plan(self) -> Plan:
        """What it sends."""
        return Plan(
            rate=Profile.constant(self.rate, self.seconds),
            seconds=self.seconds,
            pipeline=_PIPELINE,
        )

    @property
    def longest(self) -> float:
        """Seconds after which trouble is of no use any more."""
        return self.seconds + 5 * self.timeout + READY_WITHIN


DEFAULT: Final = Beside()


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a scenario.

    :param bystander: what it saw; ``None``: it never got in, or it was not played.
    :param recovery: seconds until the server answered again, the trouble being over;
        ``None``: longer than there was patience for.
    :param failure: why there is no result, in one line.
    :param interrupted: whether somebody did not want to see all of it.
    """

    scenario: Scenario
    slo: tuple[Threshold, ...]
    made: Made = field(default_factory=Made)
    bystander: Result | None = None
    recovery: float | None = None
    failure: str = ""
    skipped: bool = False
    interrupted: bool = False

    @property
    def verdict(self) -> Verdict:
        """How the server did."""
        if self.skipped:
            return Verdict.SKIPPED
        result = self.bystander
        if result is None or not result.tally.replies:
            return Verdict.MISSED
        if result.tally.errors or not all(condition.is_met(result) for condition in self.slo):
            return Verdict.INVALID if result.doubts else Verdict.MISSED
        return Verdict.HELD if self.made.enough else Verdict.HOLLOW

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes."""
        return {
            "name": self.scenario.name,
            "title": self.scenario.title,
            "verdict": self.verdict.value,
            "failure": self.failure,
            "trouble": self.made.as_json(),
            "recovery_s": self.recovery,
            "bystander": self.bystander and self.bystander.as_json(),
        }


def play_all(
    scenarios: Iterable[Scenario], target: Target, beside: Beside = DEFAULT
) -> Iterator[Played]:
    """Play one after the other; what follows one the server did not recover from is skipped.

    :raises CannotRun: as `play`.
    """
    stuck = False
    for scenario in scenarios:
        if stuck:
            yield Played(scenario, beside.slo, skipped=True)
            continue
        played = play(scenario, target, beside)
        stuck = played.recovery is None
        yield played


def play(scenario: Scenario, target: Target, beside: Beside = DEFAULT) -> Played:
    """Make trouble for ``target``, and see what a bystander gets to feel of it.

    The trouble is there first, and over when this returns.

    :raises CannotRun: if the server does not answer before there is any.
    :raises OSError: if there is no host of that name.
    """
    address = address_of(target)
    keep()
    try:
        with interruptible():
            _ping(address, beside.patience)
    except OSError as error:
        fault = Fault.of(Phase.CONNECT, error)
        raise CannotRun(
            f"{target} does not answer PING: {fault.cause.value}; {fault.advice}"
        ) from None
    check_cpus(beside.trouble_cpus)
    made, result, failure = Made(), None, ""
    if scenario.kind is None:
        result = _look_on(scenario, target, beside)
    else:
        with Troubling(scenario, address, beside.longest, beside.trouble_cpus) as trouble:
            try:
                result = _look_on(scenario, target, beside)
            except CannotRun as error:
                failure = str(error)
        made = trouble.made
    again, interrupted = None, result is not None and result.interrupted
    try:
        with interruptible():
            again = recovery(address, beside.patience)
    except KeyboardInterrupt:
        interrupted = True
    return Played(scenario, beside.slo, made, result, again, failure, interrupted=interrupted)


def _look_on(scenario: Scenario, target: Target, beside: Beside) -> Result:
    options = Options(timeout=beside.timeout, connect_timeout=beside.timeout)
    arguments = {
        "target": str(target),
        "scenario": scenario.name,
        "clients": scenario.clients,
        "rate": beside.rate,
        "duration": beside.seconds,
        "timeout": beside.timeout,
    }
    return conduct(Job(beside.plan, target, options, beside.cpus, urgent=True), arguments)


def recovery(address: tuple[socket.AddressFamily, Any], patience: float) -> float | None:
    """Return the seconds until a new client's PING is answered; ``None``: over ``patience``."""
    begun = monotonic()
    while (left := begun + patience - monotonic()) > 0:
        try:
            _ping(address, left)
        except OSError:
            sleep(min(0.05, left))  # a server that is full, or gone, says so at once
        else:
            return monotonic() - begun
    return None


def _ping(address: tuple[socket.AddressFamily, Any], timeout: float) -> None:
    """Have one PING answered.

    :raises OSError: if it is not, or not in time.
    """
    with socket.socket(address[0], socket.SOCK_STREAM) as sock:
        sock.settimeout(min(timeout, _LONGEST))
        sock.connect(address[1])
        sock.sendall(b"PING\n")
        got = b""
        while not got.endswith(b"\n"):
            data = sock.recv(64)
            got += data
            if not data or not b"PONG\n".startswith(got):
                raise ConnectionError("it says something else")
