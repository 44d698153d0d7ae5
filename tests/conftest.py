"""The options of the whole test suite, and time under its control."""

import functools
import inspect
import socket
from collections.abc import Awaitable, Callable, Iterator

import hypothesis
import pytest
import trio
import trio.testing

from dumb_async import timeouts
from dumb_async.hosting import access_log, session
from dumb_async.runtimes import NAMES, Runtime, load

from .support import tcp_pair

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


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker of coroutines that trio runs, as pytest-asyncio adds its own."""
    config.addinivalue_line("markers", "trio: run this coroutine on trio, with a clock that jumps")


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine so marked."""
    if pyfuncitem.get_closest_marker("trio") is None:
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    test = functools.partial(pyfuncitem.obj, **{name: pyfuncitem.funcargs[name] for name in names})
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0))
    return True


@pytest.fixture(
    params=[
        pytest.param("asyncio", marks=pytest.mark.asyncio),
        pytest.param("trio", marks=pytest.mark.trio),
    ]
)
def here(request: pytest.FixtureRequest) -> Runtime:
    """The runtime that runs this coroutine: asyncio by pytest-asyncio, and trio."""
    return load(request.param)


@pytest.fixture
def run_in_no_time(monkeypatch: pytest.MonkeyPatch) -> RunInNoTime:
    """Run on trio with a clock that jumps whenever everybody waits: hours take no time.

    What the server reads as the monotonic clock is then that clock.
    """
    for module in (access_log, session, timeouts):
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
