"""The table of settings: defaults that keep people safe, ranges."""

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from dumb_async import Settings

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


@pytest.mark.parametrize("name", ["timeout_idle", "timeout_line", "timeout_write"])
def test_times_that_no_clock_can_add_up_are_refused(name: str) -> None:
    """One that is finite, but over thirty years, would end the server at its first client."""
    options: dict[str, Any] = {name: 1e308}
    with pytest.raises(ValueError, match=name):
        Settings(**options)


@pytest.mark.parametrize(
    "one", [one for one in NUMBERS if one.metadata["most"]], ids=lambda one: one.name
)
def test_the_most_is_allowed(one: Any) -> None:
    """And nothing above it."""
    most = one.metadata["most"]
    assert most == getattr(Settings(**{one.name: most}), one.name)
    with pytest.raises(ValueError, match=one.name):
        Settings(**{one.name: most + 1})
