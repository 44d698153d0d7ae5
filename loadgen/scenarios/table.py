"""The scenarios there are: data."""

from dataclasses import dataclass
from typing import Final

from . import trouble
from .trouble import Trouble


@dataclass(frozen=True, slots=True)
class Scenario:
    """What goes on beside a bystander.

    :param name: one word, as it is given on a command line.
    :param title: what the trouble is, in a few words.
    :param clients: how many make it.
    :param kind: what they do; ``None``: nobody makes any.
    """

    name: str
    title: str
    clients: int = 0
    kind: type[Trouble] | None = None


#: By name; those that a server recovers from most easily come first.
SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        Scenario("nothing", "nothing else: the baseline"),
        Scenario("idle", "connections on which nothing is said", 5000, trouble.Idle),
        Scenario("long-wait", "clients that WAIT", 1000, trouble.LongWait),
        Scenario("slow-sender", "clients that send byte by byte", 100, trouble.SlowSender),
        Scenario("slow-reader", "STREAMs that nobody reads", 50, trouble.SlowReader),
        Scenario("stream", "STREAMs read as fast as they come", 1, trouble.FastReader),
        Scenario("pipelining", "clients that PING without a pause", 4, trouble.Flood),
        Scenario("big-burn", "clients that BURN 10^11", 4, trouble.BigBurn),
    )
}
