"""The options of the whole test suite, and time under its control."""

import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import hypothesis
import pytest
import trio
import trio.testing

from dumb_async import alarm, dispatcher, dumb_service, lag
from dumb_async.hosting import access_log, session, sleepers
from dumb_async.hosting.session import Session
from dumb_async.runtimes import NAMES, Runtime, load

from .support import surroundings, tcp_pair

Make = Callable[..., Session]
RunInNoTime = Callable[[Callable[[], Awaitable[None]]], None]

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("dumb_async", deadline=None)
hypothesis.settings.load_profile("dumb_async")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let any server that listens on a port be put under the conformance suite."""
    parser.addoption(
        "--server",
        metavar="COMMAND",
        help="put this server alone under tests/conformance, for instance './floor {port}'",
    )
    parser.addoption(
        "--targets",
        metavar="NAMES",
        help="put only these of our servers under tests/conformance, for instance trio,epoll",
    )


@pytest.fixture
def run_in_no_time(monkeypatch: pytest.MonkeyPatch) -> RunInNoTime:
    """Run on trio with a clock that jumps whenever everybody waits: hours take no time.

    What the server reads as the monotonic clock is then that clock.
    """
    for module in (access_log, alarm, dispatcher, lag, session, sleepers):
        monkeypatch.setattr(module, "monotonic", trio.current_time)

    def run(main: Callable[[], Awaitable[None]]) -> None:
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

    return run


@pytest.fixture(params=NAMES)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """Each runtime in its turn."""
    return load(request.param)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the monotonic clock shows: its only element."""
    now = [1000.0]
    monkeypatch.setattr(session, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's socket and the server's end of it."""
    with tcp_pair() as sockets:
        yield sockets


@pytest.fixture
def client(pair: tuple[socket.socket, socket.socket]) -> socket.socket:
    """The client's side."""
    return pair[0]


@pytest.fixture
def make(pair: tuple[socket.socket, socket.socket], clock: list[float]) -> Make:
    """Make a session at the server's side, at 1000 on the clock, with settings of one's own."""
    assert clock

    def make_one(sock: socket.socket | None = None, **options: Any) -> Session:
        return Session(sock or pair[1], surroundings(dumb_service(), **options))

    return make_one
