"""Fixtures: the three chat servers, as processes."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from ..conformance.process import Server, Start
from ..conformance.servers import ANY_PORTS, VARIANTS, Target

NAMES = ("select-chat", "epoll-chat", "asyncio-chat")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give one worker of xdist all tests of a server that they share."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is not None and "server" in getattr(item, "fixturenames", ()):
            name = callspec.params.get("chat")
            if name in NAMES:
                item.add_marker(pytest.mark.xdist_group(f"chat-{name}"))


@pytest.fixture(scope="session", params=NAMES)
def chat(request: pytest.FixtureRequest) -> Target:
    """Each of the chat servers in its turn."""
    return Target(request.param, (*VARIANTS, request.param, *ANY_PORTS))


@pytest.fixture(scope="session")
def shared(chat: Target) -> Iterator[Server]:
    """A server with default settings; it ends well after the last test on it."""
    server = Server(chat)
    try:
        yield server
        assert 0 == server.stop()
        server.check()
    finally:
        server.kill()


@pytest.fixture
def server(shared: Server) -> Server:
    """The same to every test; none leaves it in a bad state."""
    shared.check()
    return shared


@pytest.fixture
def start(chat: Target) -> Iterator[Start]:
    """Start servers for this test alone; they end well with it."""
    servers: list[Server] = []

    def start_one(*flags: str, **settings: Any) -> Server:
        servers.append(Server(chat, *flags, **settings))
        return servers[-1]

    with ExitStack() as stack:
        yield start_one
        for server in servers:
            stack.callback(server.kill)
        for server in servers:
            assert 0 == server.stop(), server.stderr
            server.check()
