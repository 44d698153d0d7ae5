"""The options that say what load is sent: the same for every command that sends one."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import click
from click.core import ParameterSource

from dumb_async import ServiceNotFound
from dumb_async.hosting import raise_descriptor_limit, search_current_folder
from dumb_async.protocol import REFUSALS

from ..agents.agent import service_of
from ..agents.messages import Job
from ..engine import Options, Target
from ..plan import Arrivals, Plan, Profile, Stage
from . import option_types as types

#: Descriptors an agent needs besides those of its connections.
RESERVED: Final = 32
#: Where a value comes from that somebody gave.
_GIVEN: Final = {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}
#: Seconds a run lasts if nothing else ends it.
DEFAULT_DURATION: Final = 10.0

_PLAN: Final = (
    click.option("-c", "--connections", type=types.MANY, default="50", show_default=True,
                 help="Clients, each with a connection."),
    click.option("-d", "--duration", type=types.TIMEOUT,
                 help="How long requests are sent.  [default: 10s, or until -n are]"),
    click.option("-n", "--requests", type=types.MANY, help="How many are sent at the most."),
    click.option("-R", "--rate", type=types.RATE,
                 help="Requests a second, whatever the server does: an open loop.  "
                 "[default: a closed loop]"),
    click.option("-p", "--pipeline", type=types.MANY, default="1", show_default=True,
                 help="Requests a connection may have under way."),
    click.option("--mix", type=types.MIX, default="PING=1", show_default=True,
                 help="What is sent, and how often each: 'PING=80,WAIT 0.05=10'."),
    click.option("--service", default="", metavar="MODULE:NAME",
                 help="The service that is spoken.  [default: PING, WAIT, BURN, STREAM]"),
    click.option("--think", type=types.THINK, default="0s",
                 help="What a client waits between a reply and its next request: 100ms, or "
                 "exp:50ms for exponential with that mean."),
    click.option("--arrival", type=click.Choice([kind.value for kind in Arrivals]),
                 default=Arrivals.CONSTANT.value, show_default=True,
                 help="How the requests of an open loop follow each other."),
    click.option("--ramp", type=types.TIMEOUT, help="How long clients take to come, evenly."),
    click.option("--connect-rate", type=types.RATE, help="How many clients come a second."),
    click.option("--stages", type=types.STAGES,
                 help="Clients over time: '10s:0-5k,60s:5k'; with /s behind the last, "
                 "requests a second: '10s:0-5k,60s:5k/s'."),
    click.option("--idle", type=types.COUNT, default="0",
                 help="Further connections, on which nothing is said."),
    click.option("--reconnect-every", type=types.COUNT, default="0", metavar="N",
                 help="Requests after which a client reconnects; 0: never."),
    click.option("--reconnect-delay", type=types.DURATION, default="100ms", show_default=True,
                 help="What a client waits before it reconnects after a failure."),
    click.option("--stay", is_flag=True,
                 help="At the end nobody leaves before all have their replies: what a server "
                 "gives only once others are gone is not counted."),
    click.option("--warmup", type=types.DURATION, default="0s",
                 help="How long the load runs before it is measured."),
    click.option("--timeout", type=types.TIMEOUT, default="5s", show_default=True,
                 help="When a request is given up; it counts as one that took at least so long."),
    click.option("--connect-timeout", type=types.TIMEOUT, default="5s", show_default=True,
                 help="When a connection that is being made is given up."),
    click.option("--max-inflight", type=types.MANY, default="100k", show_default=True,
                 help="Requests of an open loop that may be under way or wait for a connection."),
    click.option("--seed", type=types.COUNT, default=0, show_default=True,
                 help="What all that is random follows from."),
)  # fmt: skip
_MACHINE: Final = (
    click.option("--workers", type=types.MANY, default="1", show_default=True,
                 help="Processes that share the load."),
    click.option("--cpus", type=types.CPUS, default="",
                 help="CPUs to pin the workers to, in turn: 1,2-3."),
    click.option("--source-ip", type=types.SOURCES, default="",
                 help="Local addresses to connect from, in turn: 127.0.0.2-127.0.0.9."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Load:
    """What a command line asks for.

    :param arguments: as they were given, for the result.
    """

    job: Job
    workers: int
    cpus: tuple[int, ...]
    arguments: dict[str, Any] = field(default_factory=dict)

    def changed(self, **changes: Any) -> "Load":
        """The same load with another plan: ``changes`` are those of `Plan`."""
        return replace(self, job=replace(self.job, plan=replace(self.job.plan, **changes)))


def load_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command the options of a load: it is called with a `Load` and its own."""
    names = {_name(option) for option in (*_PLAN, *_MACHINE)}

    @functools.wraps(command)
    def run(target: Target, **given: Any) -> Any:
        own = {name: given.pop(name) for name in list(given) if name not in names}
        load = load_of(target, given)
        warn_of_descriptors(load)
        warn_of_refusals(load)
        return command(load, **own)

    for option in reversed((*_PLAN, *_MACHINE)):
        option(run)
    return click.argument("target", type=types.TARGET, metavar="HOST:PORT")(run)


def refuse(context: click.Context, **reasons: str) -> None:
    """See that options that would mean nothing here are not given.

    :param reasons: what to do in place of each, by the name of its parameter.
    :raises click.UsageError: if one is.
    """
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name in reasons and source in _GIVEN:
            flag = max(option.opts, key=len)
            raise click.UsageError(f"{flag} has no meaning here: {reasons[option.name]}")


def load_of(target: Target, given: dict[str, Any]) -> Load:
    """Return what the values of `load_options`' parameters, by name, ask for.

    :raises click.UsageError: if they contradict each other.
    """
    try:
        return _load(target, given)
    except (ValueError, ServiceNotFound) as error:
        raise click.UsageError(str(error)) from None


def warn_of_descriptors(load: Load) -> None:
    """Say in one line if descriptors do not suffice for it, raised as far as they go."""
    plan, share = load.job.plan, load.job.plan.share.part(0, load.workers)
    needed = share.count(round(plan.clients.highest)) + share.count(load.job.options.idle)
    allowed = max(raise_descriptor_limit() - RESERVED, 0)
    if needed > allowed:
        click.echo(
            f"loadgen: {needed:,} connections a process are asked for, and descriptors allow"
            f" {allowed:,}: raise the hard limit (ulimit -Hn), or use more --workers",
            err=True,
        )


def warn_of_refusals(load: Load) -> None:
    """Say in a line of each request that is expected to be refused: it may be misspelt."""
    service = service_of(load.job.target)
    for request in load.job.plan.mix.requests:
        if (expected := service.expect(request).text) in REFUSALS:
            click.echo(
                f"loadgen: the right reply to {request.decode(errors='replace')!r} is"
                f" {expected.decode().strip()}: is that what is meant?",
                err=True,
            )


def _load(target: Target, given: dict[str, Any]) -> Load:
    """Make a load of what was given.

    :raises ValueError: if it contradicts itself.
    """
    target = replace(target, service=given["service"])
    if target.service:
        search_current_folder()
    service_of(target)
    job = Job(_plan(given), target, _options(given))
    return Load(job, given["workers"], given["cpus"] or (), _arguments(target, given))


def _plan(given: dict[str, Any]) -> Plan:
    rate, clients, seconds = _profiles(given)
    return Plan(
        mix=given["mix"],
        clients=clients,
        rate=rate,
        arrivals=Arrivals(given["arrival"]),
        requests=given["requests"],
        seconds=seconds,
        pipeline=given["pipeline"],
        think=given["think"],
        seed=given["seed"],
    )


def _profiles(given: dict[str, Any]) -> tuple[Profile | None, Profile, float | None]:
    """Return the rate over time, clients over time, and how long requests are sent."""
    stages, seconds, level = given["stages"], given["duration"], given["rate"]
    if stages and (seconds or level):
        raise ValueError("--stages say how long, and of what: leave out --duration and --rate")
    if seconds is None and stages is None and given["requests"] is None:
        seconds = DEFAULT_DURATION
    if stages and stages.is_rate:
        return stages, _coming(given, stages.seconds), stages.seconds
    if stages:
        if given["ramp"] or given["connect_rate"]:
            raise ValueError("--stages say when clients come: leave out --ramp, --connect-rate")
        return None, stages, stages.seconds
    if level is None:
        return None, _coming(given, seconds), seconds
    seconds = seconds or given["requests"] / level
    return Profile.constant(level, seconds), _coming(given, seconds), seconds


def _coming(given: dict[str, Any], seconds: float | None) -> Profile:
    """Clients over time: all from the beginning, or one after the other."""
    clients, ramp, rate = given["connections"], given["ramp"], given["connect_rate"]
    if ramp and rate:
        raise ValueError("--ramp and --connect-rate say the same: give one")
    if rate:
        ramp = clients / rate
    rest = Stage(max((seconds or 0) - (ramp or 0), 1.0), clients, clients)
    return Profile((Stage(ramp, 0, clients), rest) if ramp else (rest,))


def _options(given: dict[str, Any]) -> Options:
    same = ("timeout", "connect_timeout", "reconnect_every", "reconnect_delay", "max_inflight",
            "idle", "stay", "warmup")  # fmt: skip
    return Options(**{name: given[name] for name in same}, sources=given["source_ip"] or ())


def _arguments(target: Target, given: dict[str, Any]) -> dict[str, Any]:
    """What was asked for, as JSON can hold it."""
    plain = {name: value for name, value in given.items() if value not in (None, (), "")}
    shown = {
        name: value if isinstance(value, int | float | str) else _show(value)
        for name, value in plain.items()
    }
    return {"target": str(target), **shown}


def _show(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else str(value)


def _name(option: Callable[..., Any]) -> str:
    """The name of the parameter that a decorator of click adds."""

    def probe() -> None: ...

    option(probe)
    parameter: click.Parameter = probe.__click_params__[0]  # type: ignore[attr-defined]
    return str(parameter.name)
