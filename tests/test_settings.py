"""The table of settings: defaults that keep people safe, ranges, descriptors."""

import resource
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from dumb_async import Settings
from dumb_async.settings import RESERVED_DESCRIPTORS, connections_allowed, raise_descriptor_limit

NUMBERS = [one for one in fields(Settings) if one.metadata["least"] is not None]


def test_defaults_keep_people_safe() -> None:
    """Loopback, limits and deadlines on."""
    settings = Settings()
    assert ("127.0.0.1", 8090) == (settings.host, settings.port)
    assert (1024, 256, None) == (
        settings.limit_line,
        settings.limit_pipeline,
        settings.limit_connections,
    )
    assert (300, 30, 30, 8) == (
        settings.timeout_idle,
        settings.timeout_line,
        settings.timeout_write,
        settings.timeout_graceful,
    )
    assert not settings.access_log


def test_settings_do_not_change() -> None:
    """Whoever has read one may keep it."""
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


def test_every_setting_says_what_it_is() -> None:
    """The command line's help is made of it."""
    assert all(one.metadata["help"] for one in fields(Settings))


@pytest.mark.parametrize("name", [one.name for one in NUMBERS])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), float("-inf")])
def test_a_number_out_of_range_is_refused(name: str, value: float) -> None:
    """With a message that names the setting."""
    options: Any = {name: value}
    with pytest.raises(ValueError, match=name):
        Settings(**options)


@pytest.mark.parametrize("one", NUMBERS, ids=lambda one: one.name)
def test_the_least_is_allowed(one: Any) -> None:
    """And nothing below it."""
    least = one.metadata["least"]
    assert least == getattr(Settings(**{one.name: least}), one.name)
    with pytest.raises(ValueError, match=one.name):
        Settings(**{one.name: least - 1})


def test_a_port_has_sixteen_bits() -> None:
    """No port is taken modulo something."""
    assert 65535 == Settings(port=65535).port
    with pytest.raises(ValueError, match="port"):
        Settings(port=65536)


def test_an_unknown_setting_is_refused() -> None:
    """A misspelt one must not be ignored."""
    options: Any = {"time_out_idle": 5}
    with pytest.raises(TypeError, match="time_out_idle"):
        Settings(**options)


class Limits:
    """The kernel's limit of descriptors, without the kernel."""

    def __init__(self, soft: int, hard: int, *, highest: int = 10**9) -> None:
        self.now = (soft, hard)
        self._highest = highest

    def get(self, kind: int) -> tuple[int, int]:
        assert resource.RLIMIT_NOFILE == kind
        return self.now

    def set(self, kind: int, limits: tuple[int, int]) -> None:
        assert resource.RLIMIT_NOFILE == kind
        if not 0 <= limits[0] <= self._highest:
            raise ValueError("not allowed to raise maximum limit")
        self.now = limits


@pytest.fixture
def limit_to(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the process other limits than it has."""

    def give(*limits: int, **options: int) -> Limits:
        made = Limits(*limits, **options)
        monkeypatch.setattr(resource, "getrlimit", made.get)
        monkeypatch.setattr(resource, "setrlimit", made.set)
        return made

    return give


def test_the_soft_limit_is_raised_to_the_hard_one(limit_to: Any) -> None:
    """As far as a process may by itself."""
    limits = limit_to(1024, 20_000)
    assert 20_000 == raise_descriptor_limit()
    assert (20_000, 20_000) == limits.now


def test_a_limit_that_cannot_be_raised_stays(limit_to: Any) -> None:
    """Such as from many to "unlimited"."""
    limits = limit_to(1024, resource.RLIM_INFINITY)
    assert 1024 == raise_descriptor_limit()
    assert (1024, resource.RLIM_INFINITY) == limits.now


def test_as_many_clients_as_descriptors_allow(limit_to: Any) -> None:
    """Less a reserve, and never none."""
    limit_to(1024, 20_000)
    assert 20_000 - RESERVED_DESCRIPTORS == connections_allowed(Settings())
    limit_to(50, 50)
    assert 1 == connections_allowed(Settings())


def test_a_limit_that_is_set_is_kept(limit_to: Any) -> None:
    """The descriptors are raised for it all the same."""
    limits = limit_to(1024, 20_000)
    assert 5000 == connections_allowed(Settings(limit_connections=5000))
    assert (20_000, 20_000) == limits.now


@pytest.mark.parametrize("name", ["timeout_idle", "timeout_line", "timeout_write"])
def test_times_that_no_clock_can_add_up_are_refused(name: str) -> None:
    """One that is finite, but over thirty years, would end the server at its first client."""
    options: dict[str, Any] = {name: 1e308}
    with pytest.raises(ValueError, match=name):
        Settings(**options)


def test_more_clients_than_descriptors_are_warned_of(
    limit_to: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried all the same."""
    limit_to(1024, 2000)
    assert 5000 == connections_allowed(Settings(limit_connections=5000))
    (record,) = caplog.records
    assert "1900" in record.getMessage()
    assert "5000" in record.getMessage()
    assert 1900 == connections_allowed(Settings(limit_connections=1900))
    assert 1 == len(caplog.records)


@pytest.mark.parametrize(
    "one", [one for one in NUMBERS if one.metadata["most"]], ids=lambda one: one.name
)
def test_the_most_is_allowed(one: Any) -> None:
    """And nothing above it."""
    most = one.metadata["most"]
    assert most == getattr(Settings(**{one.name: most}), one.name)
    with pytest.raises(ValueError, match=one.name):
        Settings(**{one.name: most + 1})
