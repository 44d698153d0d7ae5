"""Finding a service by its name, and saying what is wrong with a name."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dumb_async import ServiceNotFound, load_service
from dumb_async.hosting import search_current_folder
from examples import greeter


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder of one's own; what is imported from it is forgotten."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_service_is_found_by_module_and_name() -> None:
    """The very object."""
    assert greeter.service is load_service("examples.greeter:service")


def test_the_current_folder_is_searched_only_if_asked(folder: Path) -> None:
    """A command line does, for its user; a library leaves its host's `sys.path` alone."""
    (folder / "mine_alone.py").write_text(
        "from dumb_async import Service\nother = Service('here')\n"
    )
    before = sys.path[:]
    with pytest.raises(ServiceNotFound):
        load_service("mine_alone:other")
    assert before == sys.path
    for _ in range(2):
        search_current_folder()
        importlib.invalidate_caches()
        assert "here" == load_service("mine_alone:other").name
    assert ["", *before] == sys.path


def test_the_current_folder_is_searched_once(folder: Path) -> None:
    """Under ``python -m`` it is there by its whole name."""
    sys.path.insert(0, str(folder))
    before = sys.path[:]
    search_current_folder()
    assert before == sys.path


@pytest.mark.parametrize("name", ["", ":", "examples.greeter", "examples.greeter:", ":service"])
def test_a_name_has_two_parts(name: str) -> None:
    """The message says which form is wanted."""
    with pytest.raises(ServiceNotFound, match="module:name"):
        load_service(name)


@pytest.mark.parametrize(
    "name", ["no_such_module:service", "examples.no_such_module:service", "examples.greeter.x:y"]
)
def test_a_module_that_is_not_there_is_named(name: str) -> None:
    """As Python does."""
    with pytest.raises(ServiceNotFound, match="No module named") as caught:
        load_service(name)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["examples.greeter:nothing", "examples.greeter:echo", "examples.greeter:Service", "json:loads"],
)
def test_what_is_no_service_is_refused(name: str) -> None:
    """A class of services is none either."""
    with pytest.raises(ServiceNotFound, match="no Service") as caught:
        load_service(name)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import not_installed_at_all", "not_installed_at_all"),
        ("def :", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_module_that_fails_says_why(folder: Path, code: str, complaint: str) -> None:
    """And its own trace is chained."""
    (folder / "broken_by_itself.py").write_text(code)
    search_current_folder()
    with pytest.raises(ServiceNotFound, match=complaint) as caught:
        load_service("broken_by_itself:service")
    assert caught.value.__cause__ is not None


def test_a_relative_name_is_refused() -> None:
    """There is nothing it could be relative to."""
    with pytest.raises(ServiceNotFound):
        load_service(".greeter:service")
