"""What a model does not hold: said by itself, with the reason, and believed by all others."""

from importlib import import_module
from typing import Any

import click
import pytest

from variants import NAMES, module_of
from variants.common.model import Listed, Model
from variants.common.needs import Need
from variants.common.tutorial import LACKS

from ..conformance.servers import TARGETS, VARIANTS

#: Characters of a reason, which has a line of its own wherever it is shown.
LONGEST = 80


def model_of(name: str) -> Any:
    """What a module says that it is."""
    return import_module(f"variants.{module_of(name)}").MODEL


class Nothing:
    """A model that does nothing."""

    def run(self) -> None:
        """See `Runnable`."""


def test_a_model_lacks_nothing_unless_it_says_so() -> None:
    """What it says is its own: to change what it was given changes nothing."""
    assert {} == Model("one", lambda _: Nothing(), "one", __doc__).lacks
    lacks = {Need.TIMEOUTS: "it has no clock"}
    model = Model("two", lambda _: Nothing(), "two", __doc__, lacks=lacks)
    lacks.clear()
    assert {Need.TIMEOUTS: "it has no clock"} == model.lacks


@pytest.mark.parametrize("name", NAMES)
def test_every_model_can_be_listed(name: str) -> None:
    """Under its own name; it lacks only what is a need, and says why in a line."""
    model = model_of(name)
    assert isinstance(model, Listed)
    assert isinstance(model.command, click.Command)
    assert name == model.command.name
    for need, reason in getattr(model, "lacks", {}).items():
        assert need in Need
        assert 0 < len(reason) <= LONGEST
        assert "\n" not in reason


def test_only_two_models_lack_anything() -> None:
    """That of a first course, and that of tutorials; all others hold what the primary server does.

    A model that cannot is no contrast of ways to wait, but of what was left out.
    """
    lacking = {name for name in NAMES if getattr(model_of(name), "lacks", {})}
    assert {"iterative", "streams"} == lacking
    assert {Need.SEVERAL_CLIENTS} == set(model_of("iterative").lacks)
    assert LACKS == model_of("streams").lacks


def test_the_conformance_suite_takes_a_model_at_its_word() -> None:
    """So tests that need what it lacks must fail, and no others may."""
    ours = [target for target in TARGETS if target.argv[: len(VARIANTS)] == VARIANTS]
    assert {"iterative", "streams"} < {target.argv[len(VARIANTS)] for target in ours}
    for target in ours:
        assert model_of(target.argv[len(VARIANTS)]).lacks == target.lacks


def test_a_need_is_said_in_words() -> None:
    """Each in its own, as a sentence about a server."""
    assert len(Need) == len({need.value for need in Need})
