"""What one run has counted; tallies of several agents are added."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .errors import Fault, Phase
from .histogram import Histogram


@dataclass(slots=True)
class Commanded:
    """What was counted of one request of the mix.

    :param sent: requests that were written.
    :param response: from the instant it was planned for to the end of its reply.
    :param service: from the instant it was written to the end of its reply.
    :param at_least: how long those had waited, by then, that were given up: they stand in
        ``response`` as well, which says no more of them than that.
    """

    sent: int = 0
    response: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    at_least: Histogram = field(default_factory=Histogram)

    def add(self, other: "Commanded") -> None:
        """Add what another one has counted."""
        self.sent += other.sent
        self.response.add(other.response)
        self.service.add(other.service)
        self.at_least.add(other.at_least)


@dataclass(slots=True)
class Tally:
    """What was counted of all.

    :param commands: by the text of the request.
    :param lag: how late the generator itself was.
    :param connect: how long connections took to be made.
    :param lost_requests: requests without a right reply, by kind of error.
    :param lost_connections: connections that failed, by kind of error.
    :param planned: requests whose instant had come.
    :param connections: connections made.
    :param connected: connections there are now.
    :param clients: clients that were to connect.
    :param never_served: clients that never had any reply.
    """

    commands: dict[str, Commanded] = field(default_factory=dict)
    lag: Histogram = field(default_factory=Histogram)
    connect: Histogram = field(default_factory=Histogram)
    lost_requests: Counter[Fault] = field(default_factory=Counter)
    lost_connections: Counter[Fault] = field(default_factory=Counter)
    planned: int = 0
    connections: int = 0
    connected: int = 0
    clients: int = 0
    never_served: int = 0

    def add(self, other: "Tally") -> None:
        """Add what another one has counted: exact, in any order."""
        for request, counted in other.commands.items():
            self.commands.setdefault(request, Commanded()).add(counted)
        self.lag.add(other.lag)
        self.connect.add(other.connect)
        self.lost_requests.update(other.lost_requests)
        self.lost_connections.update(other.lost_connections)
        self.planned += other.planned
        self.connections += other.connections
        self.connected += other.connected
        self.clients += other.clients
        self.never_served += other.never_served

    @property
    def response(self) -> Histogram:
        """Response times of all requests."""
        return _sum(counted.response for counted in self.commands.values())

    @property
    def service(self) -> Histogram:
        """Service times of all requests."""
        return _sum(counted.service for counted in self.commands.values())

    @property
    def at_least(self) -> Histogram:
        """How long those had waited that were given up."""
        return _sum(counted.at_least for counted in self.commands.values())

    @property
    def replies(self) -> int:
        """Right replies."""
        return self.response.total - self.at_least.total

    @property
    def sent(self) -> int:
        """Requests that were written."""
        return sum(counted.sent for counted in self.commands.values())

    @property
    def errors(self) -> int:
        """Requests without a right reply, and connections that could not be made."""
        unmade = sum(
            count for fault, count in self.lost_connections.items() if fault.phase is Phase.CONNECT
        )
        return self.lost_requests.total() + unmade


def _sum(histograms: Iterable[Histogram]) -> Histogram:
    total = Histogram()
    for histogram in histograms:
        total.add(histogram)
    return total
