"""A model is a slide: a page that is read from top to bottom, with what it is about in it."""

import ast
from pathlib import Path

import pytest

from variants import NAMES, module_of

from ..conformance.launching import ROOT

VARIANTS = ROOT / "variants"

#: Lines of a slide, with its docstring.
LONGEST = 120
#: Lines of the server that tutorials have.
TUTORIAL = 60

SLIDES = sorted(path.name for path in VARIANTS.glob("*.py"))
each_slide = pytest.mark.parametrize("name", SLIDES)

#: Those that show select, epoll and reactor: what moves bytes is `common.client.Client`.
STEPPED = ("select_.py", "epoll.py", "reactor.py")
#: What a socket is asked for its bytes by.
MOVES = {
    "recv", "recv_into", "recvfrom", "recvmsg", "send", "sendall", "sendmsg", "sendto", "sendfile",
}  # fmt: skip


def tree_of(path: Path) -> ast.Module:
    """The module, parsed and not run."""
    return ast.parse(path.read_text())


def called_in(path: Path) -> set[str]:
    """The names of all functions and methods that a module calls."""
    functions = [node.func for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    return {one.attr for one in functions if isinstance(one, ast.Attribute)} | {
        one.id for one in functions if isinstance(one, ast.Name)
    }


@each_slide
def test_a_slide_is_short(name: str) -> None:
    """No longer than a page, its essay included."""
    longest = TUTORIAL if name == "streams.py" else LONGEST
    assert len((VARIANTS / name).read_text().splitlines()) <= longest


def test_every_model_is_a_slide_and_every_slide_a_model() -> None:
    """But for what lists and starts them."""
    models = {f"{module_of(name)}.py" for name in NAMES}
    assert models | {"__init__.py", "__main__.py", "cli.py"} == set(SLIDES)


@pytest.mark.parametrize("name", STEPPED)
def test_bytes_are_moved_in_one_place(name: str) -> None:
    """A loop knows who is ready and whose step it is; what a step does is its client's."""
    assert set() == MOVES & called_in(VARIANTS / name)


def test_that_place_shows_it() -> None:
    """A reader of the step machine sees its recv, and beside it, in its base, its send."""
    assert "recv" in called_in(VARIANTS / "common" / "client.py")
    assert "send" in called_in(VARIANTS / "common" / "sockets.py")


@pytest.mark.parametrize("name", ["coro.py", "streams.py"])
def test_coroutines_run_the_handler(name: str) -> None:
    """The very one of the primary server: none of them performs actions in an order of its own."""
    called = called_in(VARIANTS / name)
    assert "handle" in called
    assert not {"next_action", "answer"} & called


def test_threads_run_the_handler() -> None:
    """In the module that what blocks has in common."""
    called = called_in(VARIANTS / "common" / "blocking.py")
    assert "handle" in called
    assert not {"next_action", "answer"} & called
