"""Fixtures: a server that tests share, and servers of a test's own."""

import contextlib
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from . import client
from .process import Server, Share, Start
from .servers import ENDLESS, MORE, TARGETS, Need, Target, foreign

_FAILED = pytest.StashKey[bool]()

#: Seconds that are waited for what is expected not to come.
_IMPATIENCE = 1.0


class _Shared:
    """Running servers of a target, by their flags."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.servers: dict[tuple[str, ...], Server] = {}

    def give(self, flags: tuple[str, ...]) -> Server:
        """The server with these flags; it is started when it is first asked for."""
        _needs_flags(self.target, flags)
        if flags not in self.servers:
            self.servers[flags] = Server(self.target, *flags)
        return self.servers[flags]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the suite's own mark."""
    config.addinivalue_line("markers", "needs(*needs): what a test needs of a server's model")


def _chosen(config: pytest.Config) -> tuple[Target, ...]:
    command, names = config.getoption("--server"), config.getoption("--targets")
    if command:
        return (foreign(command),)
    if not names:
        return TARGETS
    by_name = {target.id: target for target in (*TARGETS, *MORE)}
    if unknown := set(names.split(",")) - by_name.keys():
        raise pytest.UsageError(
            f"--targets: no {', '.join(unknown)}; there is {', '.join(by_name)}"
        )
    return tuple(by_name[name] for name in names.split(","))


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that has a target on each of them."""
    if "target" in metafunc.fixturenames:
        targets = _chosen(metafunc.config)
        names = [target.id for target in targets]
        metafunc.parametrize("target", targets, ids=names, indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect a server to fail, strictly, the tests that need what it lacks."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        target = callspec.params.get("target") if callspec else None
        if isinstance(target, Target):
            # One worker of xdist for all tests of a module and a target: they share servers.
            item.add_marker(pytest.mark.xdist_group(f"{target.id}-{item.path.stem}"))
            needs = {need for mark in item.iter_markers("needs") for need in mark.args}
            for need in needs & target.lacks.keys():
                item.add_marker(
                    pytest.mark.xfail(
                        reason=f"{need.value}: {target.lacks[need]}",
                        raises=(AssertionError, OSError),
                        # Whether a reset overtakes the last reply is a matter of luck.
                        strict=need is not Need.LINGERING,
                    )
                )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember what failed, expected or not: its server may be stuck."""
    if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
        item.stash[_FAILED] = True
    return (yield)


@pytest.fixture(autouse=True)
def _impatient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long in a test that is expected to fail."""
    if request.node.get_closest_marker("xfail") is not None:
        monkeypatch.setattr(client, "PATIENCE", _IMPATIENCE)


@pytest.fixture(scope="session")
def targets(pytestconfig: pytest.Config) -> tuple[Target, ...]:
    """All that is under test, for what is asked of all of them together."""
    return _chosen(pytestconfig)


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    """What is under test."""
    chosen: Target = request.param
    return chosen


@pytest.fixture(scope="session")
def shared(target: Target) -> Iterator[_Shared]:
    """Servers of the target that tests share; they end with the last test on it."""
    shared = _Shared(target)
    with contextlib.ExitStack() as stack:
        yield shared
        for server in shared.servers.values():
            server.signal()  # all of them, and only then wait for each
            stack.callback(_end, server)


@pytest.fixture
def share(request: pytest.FixtureRequest, shared: _Shared) -> Iterator[Share]:
    """Give a server with these flags, the same to every test that asks for them."""
    used: set[tuple[str, ...]] = set()

    def give(*flags: str) -> Server:
        used.add(flags)
        return shared.give(flags)

    yield give
    failed = _failed(request)
    with contextlib.ExitStack() as stack:
        for flags in used & shared.servers.keys():
            server = shared.servers[flags]
            if failed or not server.running or _is_left_busy(request, server.target):
                stack.callback(_discard, shared.servers.pop(flags))
            if not failed:
                stack.callback(server.check)


@pytest.fixture
def server(share: Share) -> Server:
    """A server with default settings, the same to every test."""
    return share()


@pytest.fixture
def start_server(request: pytest.FixtureRequest, target: Target) -> Iterator[Start]:
    """Start servers for this test alone, with flags of its own; they end with it."""
    servers: list[Server] = []

    def start(*flags: str, **settings: Any) -> Server:
        _needs_flags(target, flags)
        servers.append(Server(target, *flags, **settings))
        return servers[-1]

    yield start
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(_discard if _failed(request) else _end, server)


def _needs_flags(target: Target, flags: tuple[str, ...]) -> None:
    if flags and not target.ours:
        pytest.skip("a foreign server does not take our flags")


def _failed(request: pytest.FixtureRequest) -> bool:
    return bool(request.node.stash.get(_FAILED, False))


def _is_left_busy(request: pytest.FixtureRequest, target: Target) -> bool:
    """Whether the server may go on for ever with what clients of this test had asked."""
    needs = {need for mark in request.node.iter_markers("needs") for need in mark.args}
    return bool(needs & ENDLESS) and (not target.ours or Need.RESETS in target.lacks)


def _end(server: Server) -> None:
    """End a server that did well: it must end well, too."""
    if not server.target.ours or Need.DRAINING in server.target.lacks:
        server.kill()
    else:
        assert server.stop() == 0, server.stderr
    server.check()


def _discard(server: Server) -> None:
    """End a server that did not do well, and show what it had to say."""
    server.kill()
    print(server.stderr)
