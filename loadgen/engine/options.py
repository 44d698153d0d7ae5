"""How the engine carries out a plan."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """What does not change what is sent, but how it is.

    :param timeout: seconds after which a request is given up.
    :param connect_timeout: seconds after which a connection is.
    :param reconnect_every: requests after which a client reconnects; 0: never.
    :param reconnect_delay: seconds before a client whose connection failed tries again.
    :param max_inflight: requests of an open loop that may be under way or wait.
    :param idle: further connections, on which nothing is said.
    :param stay: whether, at the end, nobody leaves before all have their replies: of a server
        that takes one client at a time, nobody gets what others leave.
    :param warmup: seconds of the plan's load before the measuring.
    :param sources: local addresses to connect from, in turn.
    """

    timeout: float = 5.0
    connect_timeout: float = 5.0
    reconnect_every: int = 0
    reconnect_delay: float = 0.1
    max_inflight: int = 100_000
    idle: int = 0
    stay: bool = False
    warmup: float = 0.0
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """The server: where it is, and what it speaks.

    :param service: where its `Service` is found, as ``module:name``; empty: the project's own.
    """

    host: str
    port: int
    service: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
