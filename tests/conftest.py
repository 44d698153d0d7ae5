"""The options of the whole test suite, and time under its control."""

from collections.abc import Awaitable, Callable

import hypothesis
import pytest
import trio
import trio.testing

from dumb_async import access_log, alarm, deadlines, dispatcher, lag, session, sleepers
from dumb_async.runtimes import NAMES, Runtime, load

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


@pytest.fixture
def run_in_no_time(monkeypatch: pytest.MonkeyPatch) -> RunInNoTime:
    """Run on trio with a clock that jumps whenever everybody waits: hours take no time.

    What the server reads as the monotonic clock is then that clock.
    """
    for module in (access_log, alarm, deadlines, dispatcher, lag, session, sleepers):
        monkeypatch.setattr(module, "monotonic", trio.current_time)

    def run(main: Callable[[], Awaitable[None]]) -> None:
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

    return run


@pytest.fixture(params=NAMES)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """Each runtime in its turn."""
    return load(request.param)
