"""Whether a result can be believed: whether the generator was fast enough for it."""

from collections.abc import Iterator
from typing import Final

from ..plan.units import show_duration
from .result import Agent, Result

#: The share of a CPU from which on an agent is taken for the bottleneck.
BUSY: Final = 0.95
#: Seconds of sending from which on CPU time says something: in less, the start is most of it.
LEAST: Final = 0.1
#: The share of an open loop's requests that a generator has to come to.
REACHED: Final = 0.99
#: Seconds of lag that no run is doubted for: two turns of a loop with many clients.
LAG: Final = 0.01
#: The share of the response time that lag may make up.
LAG_SHARE: Final = 0.1


def doubts(result: Result) -> list[str]:
    """Return why ``result`` says more of the generator than of the server; none if not so."""
    if result.interrupted and not result.tally.replies:
        return []  # there is nothing to believe
    of_agents = (doubt for agent in result.agents for doubt in _of_cpu(agent))
    return [*_of_pace(result), *_of_lag(result), *of_agents]


def _of_cpu(agent: Agent) -> Iterator[str]:
    vitals = agent.vitals
    if vitals and vitals.sending_s >= LEAST and vitals.busy >= BUSY:
        used, wanted = vitals.cpu_s / vitals.sending_s, vitals.busy
        text = f"agent {agent.share} wanted {wanted:.0%} of a CPU"
        text += f" and got {used:.0%}" if wanted - used > 0.05 else ""
        yield f"{text}: this is the generator's speed; use --workers, --cpus or a lower --rate"


def _of_pace(result: Result) -> Iterator[str]:
    """In an open loop each request that is come to has its lag."""
    tally = result.tally
    if tally.lag.total < REACHED * tally.planned:
        yield (
            f"the generator came to {tally.lag.total:,} of {tally.planned:,} planned requests:"
            " use more --workers, or a lower --rate"
        )


def _of_lag(result: Result) -> Iterator[str]:
    lag, response = (h.percentile(99) for h in (result.tally.lag, result.tally.response))
    if lag > LAG and lag > LAG_SHARE * response:
        yield (
            f"the generator was late by {show_duration(lag)} (p99), where replies took"
            f" {show_duration(response)}: use more --workers, or a quieter machine"
        )
