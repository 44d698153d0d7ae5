"""Fixtures: hosts in this process, servers in others, and time that stands still."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from dumb_async import dumb_service
from dumb_async.hosting import Cores, Launch, Settings, session
from variants.common import schedule, timers
from variants.common.host import Host

from ..conformance.process import Server
from ..conformance.servers import ANY_PORTS, VARIANTS, Target


class Start(Protocol):
    """Starts a variant; see `Server` for the settings."""

    def __call__(self, name: str, *flags: str, **settings: Any) -> Server: ...


class MakeHost(Protocol):
    """Makes a host with settings of one's own."""

    def __call__(
        self, *listeners: socket.socket, service: Cores | None = None, **options: Any
    ) -> Host: ...


@pytest.fixture
def start() -> Iterator[Start]:
    """Start variants for this test alone; whatever happens to them, none shows a traceback."""
    servers: list[Server] = []

    def start_one(name: str, *flags: str, **settings: Any) -> Server:
        target = Target(name, (*VARIANTS, name, *ANY_PORTS))
        servers.append(Server(target, *flags, **settings))
        return servers[-1]

    with ExitStack() as stack:
        yield start_one
        for server in servers:
            stack.callback(server.kill)
    for server in servers:
        assert "Traceback" not in server.stderr, server.stderr


@pytest.fixture
def make_host() -> Iterator[MakeHost]:
    """Make hosts of this process; they are closed in the end."""
    with ExitStack() as stack:

        def make(*listeners: socket.socket, service: Cores | None = None, **options: Any) -> Host:
            launch = Launch(dumb_service(), Settings(**options), "", None)
            host = Host(launch, list(listeners), service)
            stack.callback(host.close)
            return host

        yield make


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    """One with default settings and no listening socket."""
    return make_host()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the monotonic clock shows to a loop and its clients: its only element."""
    time = [1000.0]
    for module in (schedule, session, timers):
        monkeypatch.setattr(module, "monotonic", lambda: time[0])
    return time
