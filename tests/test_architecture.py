"""Imports point one way, and every module keeps to the same manners."""

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dumb_async.runtimes import base

ROOT = Path(__file__).parents[1]
PACKAGES = ("dumb_async", "variants", "loadgen", "examples")
PUBLIC_PACKAGES = (
    "dumb_async", "dumb_async.hosting", "dumb_async.protocol", "dumb_async.runtimes",
)  # fmt: skip
PUBLIC = (*PUBLIC_PACKAGES, "dumb_async.starting")

#: What would make the core depend on more than the bytes it is given.
IMPURE = {
    "anyio", "asyncio", "concurrent", "datetime", "io", "multiprocessing", "os", "queue", "random",
    "sched", "secrets", "select", "selectors", "signal", "socket", "socketserver", "ssl",
    "subprocess", "sys", "threading", "time", "trio", "uvloop",
}  # fmt: skip

#: The libraries that have an event loop.
LOOPS = {"asyncio", "trio", "uvloop", "anyio"}

LONGEST_MODULE = 320
LONGEST_FUNCTION = 45


def modules() -> list[str]:
    """Every module of ours, by its path from the root."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return sorted(str(path.relative_to(ROOT)) for path in found)


def name_of(path: str) -> str:
    """The name under which a module is imported."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def tree_of(path: str) -> ast.Module:
    """The module, parsed and not run."""
    return ast.parse((ROOT / path).read_text())


def imports_of(path: str) -> Iterator[tuple[str, str | None]]:
    """Each import of a module: from where, and which name (``None``: the module itself)."""
    package = path.removesuffix(".py").split("/")[:-1]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            for alias in node.names:
                yield ".".join([*above, *filter(None, [node.module])]), alias.name


def is_inside(module: str, package: str) -> bool:
    """Whether it is the package or something in it."""
    return module == package or module.startswith(package + ".")


def check_layers(package: str, layers: tuple[str, ...], name: str) -> None:
    """See that ``name`` imports nothing that comes later among the ``layers`` of a package."""
    later = [f"{package}.{one}" for one in layers[layers.index(name) + 1 :]]
    paths = [path for path in modules() if is_inside(name_of(path), f"{package}.{name}")]
    assert paths
    for path in paths:
        for module, imported in imports_of(path):
            for other in later:
                assert not is_inside(module, other), path
                assert other != f"{module}.{imported}", path


def exports_of(module: str) -> frozenset[str]:
    """The public names of a package."""
    return frozenset(importlib.import_module(module).__all__)


def submodules_of(package: str) -> frozenset[str]:
    """The names of what lies in its folder."""
    inside = (ROOT / package.replace(".", "/")).iterdir()
    return frozenset(path.stem for path in inside if path.suffix == ".py" or path.is_dir())


ALL = pytest.mark.parametrize("path", modules())
CORE = pytest.mark.parametrize("path", [path for path in modules() if "/protocol/" in path])
HOSTING = pytest.mark.parametrize("path", [path for path in modules() if "/hosting/" in path])
FRAMEWORK = pytest.mark.parametrize(
    "path", [path for path in modules() if path.startswith("dumb_async/")]
)
USERS = pytest.mark.parametrize(
    "path", [path for path in modules() if not path.startswith("dumb_async/")]
)


@CORE
def test_the_core_imports_nothing_of_ours(path: str) -> None:
    """But itself, and no socket, clock, thread or event loop."""
    for module, _ in imports_of(path):
        assert module.partition(".")[0] not in IMPURE
        assert is_inside(module, "dumb_async.protocol") or not is_inside(module, "dumb_async")


def awaits(path: str) -> bool:
    """Whether anything in a module is ``async``."""
    kinds = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    return any(isinstance(node, kinds) for node in ast.walk(tree_of(path)))


@CORE
def test_the_core_awaits_nothing(path: str) -> None:
    """Not even where nobody would notice."""
    assert not awaits(path)


@HOSTING
def test_hosting_knows_no_runtime(path: str) -> None:
    """Nor any event loop, nor whoever drives it: every model of concurrency can."""
    below = (
        "dumb_async.hosting",
        "dumb_async.protocol",
        "dumb_async.commands",
        "dumb_async.starting",
        "dumb_async.version",
    )
    for module, _ in imports_of(path):
        assert module.partition(".")[0] not in LOOPS
        if is_inside(module, "dumb_async"):
            assert any(is_inside(module, package) for package in below), module


@HOSTING
def test_hosting_awaits_nothing(path: str) -> None:
    """Whoever drives it does the waiting."""
    assert not awaits(path)


@FRAMEWORK
def test_the_framework_imports_nothing_built_upon_it(path: str) -> None:
    """Neither variants nor the load generator, and no example, test or benchmark."""
    above = {"variants", "loadgen", "examples", "tests", "bench"}
    assert not above & {module.partition(".")[0] for module, _ in imports_of(path)}


#: The parts of `dumb_async`, each with those before it to build upon.
LAYERS = (
    "version", "starting", "protocol", "commands", "hosting", "handler", "runtimes", "resets",
    "timeouts", "context", "listener", "server", "running", "cli", "healthcheck",
)  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_the_framework_has_its_layers(name: str) -> None:
    """Imports point one way: none to what comes later in the list."""
    check_layers("dumb_async", LAYERS, name)


def test_every_module_of_the_framework_has_its_place() -> None:
    """In that list."""
    outside = {"__init__", "__main__", "__pycache__"}
    assert set(LAYERS) == submodules_of("dumb_async") - outside


HANDLER = "dumb_async/handler.py"


def test_the_handler_fits_a_slide() -> None:
    """It is the first thing that a reader of the project should see."""
    assert len((ROOT / HANDLER).read_text().splitlines()) <= 100


def test_the_handler_knows_no_runtime_and_no_socket() -> None:
    """So it runs on any of them, and over what never suspends."""
    known = {module.partition(".")[0] for module, _ in imports_of(HANDLER)}
    assert not known & IMPURE
    assert {"collections", "dumb_async", "logging", "typing"} == known


def test_the_handler_awaits_nothing_but_its_stream_and_its_context() -> None:
    """Nor does anything else in its module."""
    awaited = [node for node in ast.walk(tree_of(HANDLER)) if isinstance(node, ast.Await)]
    assert awaited
    for node in awaited:
        assert isinstance(node.value, ast.Call), ast.unparse(node)
        assert ast.unparse(node.value.func).partition(".")[0] in {"stream", "context"}
    others = ast.AsyncFor | ast.AsyncWith
    assert not [node for node in ast.walk(tree_of(HANDLER)) if isinstance(node, others)]


def test_there_is_one_handler() -> None:
    """No other module of the framework asks a core or a session what is next."""
    for path in modules():
        if path.startswith("dumb_async/") and path != HANDLER and "/protocol/" not in path:
            called = [
                node.func.attr
                for node in ast.walk(tree_of(path))
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            ]
            assert path == "dumb_async/hosting/session.py" or "next_action" not in called, path


@FRAMEWORK
def test_only_one_module_each_knows_a_runtime(path: str) -> None:
    """What differs between them is behind the seam."""
    if "/runtimes/" not in path:
        assert not LOOPS & {module.partition(".")[0] for module, _ in imports_of(path)}


@pytest.mark.parametrize("path", ["dumb_async/commands.py", "examples/greeter.py"])
def test_services_are_written_with_the_public_api(path: str) -> None:
    """The four commands show that nothing else is needed."""
    names = {name for module, name in imports_of(path) if is_inside(module, "dumb_async")}
    assert names <= exports_of("dumb_async")


@USERS
def test_users_use_public_names_only(path: str) -> None:
    """Imported from a public package, in whose ``__all__`` they are; and no ``_private``."""
    aliases: set[str] = set()
    for module, name in imports_of(path):
        if not is_inside(module, "dumb_async"):
            continue
        assert module in PUBLIC, module
        if name is None:
            aliases.add(module)
        elif f"{module}.{name}" in PUBLIC:
            aliases.add(name)
        else:
            assert name in exports_of(module), f"{module}.{name}"
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in aliases:
            assert any(node.attr in exports_of(module) for module in PUBLIC), ast.unparse(node)


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names_exist_and_say_what_they_are(package: str) -> None:
    """In order, once each; what has a docstring has one of its own."""
    module = importlib.import_module(package)
    names = module.__all__
    assert len(set(names)) == len(names)
    for name in names:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), name
            assert value.__doc__, name


@pytest.mark.parametrize("package", PUBLIC_PACKAGES)
def test_public_packages_export_what_they_import(package: str) -> None:
    """Nothing is imported there for no reason."""
    path = package.replace(".", "/") + "/__init__.py"
    names = {name for module, name in imports_of(path) if is_inside(module, "dumb_async")}
    assert names - submodules_of(package) <= exports_of(package)


@ALL
def test_modules_have_docstrings(path: str) -> None:
    """The first thing that a reader sees."""
    assert ast.get_docstring(tree_of(path))


@ALL
def test_no_module_stands_in_for_one_of_the_library(path: str) -> None:
    """Python searches the folder that it is started in first."""
    assert Path(path).stem not in sys.stdlib_module_names


@ALL
def test_modules_have_a_bearable_length(path: str) -> None:
    """A page to three."""
    assert len((ROOT / path).read_text().splitlines()) < LONGEST_MODULE


@ALL
def test_public_classes_functions_and_methods_have_docstrings(path: str) -> None:
    """Methods that a base class describes need none, nor the commands of an example."""
    if path.startswith("examples/"):
        return
    module = importlib.import_module(name_of(path))
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value) or inspect.isclass(value):
            assert value.__doc__, name
        if inspect.isclass(value):
            for method in filter(inspect.isfunction, vars(value).values()):
                described = method.__name__.startswith("_") or inspect.getdoc(method)
                assert described or is_described(value, method.__name__), method.__qualname__


def is_described(kind: type, method: str) -> bool:
    """Whether what the class stands in for says what the method does."""
    protocols = (value for value in vars(base).values() if inspect.isclass(value))
    return any(
        inspect.getdoc(getattr(protocol, method, None)) for protocol in (*protocols, *kind.__mro__)
    )


def own_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, those of functions inside it not counted."""
    inside = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node is not function
    ]
    lines = {line for one in (function, *inside) for line in lines_of(one)}
    return len(lines - {line for one in inside for line in lines_of(one)})


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> range:
    """From its first line to its last, decorators not counted."""
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


@ALL
def test_functions_are_short(path: str) -> None:
    """They fit on a screen; most are a dozen lines."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert own_length(node) <= LONGEST_FUNCTION, node.name


@pytest.mark.parametrize("path", [path for path in modules() if path.startswith("loadgen/")])
def test_the_load_generator_knows_no_server(path: str) -> None:
    """What it loads need not be ours."""
    above = {"variants", "examples", "tests", "bench"}
    assert not above & {module.partition(".")[0] for module, _ in imports_of(path)}


@pytest.mark.parametrize(
    "path",
    [path for path in modules() if path.startswith("variants/") and "/compare/" not in path],
)
def test_a_model_is_not_measured_by_itself(path: str) -> None:
    """What compares them is beside them; only the list of commands knows it."""
    for module, _ in imports_of(path):
        assert not is_inside(module, "loadgen")
        assert not is_inside(module, "variants.compare")


#: The modules of `variants.compare`, each with those before it to build upon.
COMPARE = (
    "interrupting", "pinning", "usage", "disturbance", "estimates", "contestants", "servers",
    "study", "report", "metrics", "diagnosis", "findings", "finding", "baseline", "measuring",
    "comparing", "choosing", "views", "output", "command",
)  # fmt: skip
#: Those that only work something out.
COMPARE_PURE = (
    "estimates", "study", "metrics", "diagnosis", "findings", "finding", "baseline",
)  # fmt: skip


@pytest.mark.parametrize("name", COMPARE)
def test_comparing_has_its_layers(name: str) -> None:
    """Imports point one way: none to what comes later in the list."""
    check_layers("variants.compare", COMPARE, name)


def test_every_module_of_comparing_has_its_place() -> None:
    """In that list."""
    assert set(COMPARE) == submodules_of("variants.compare") - {"__init__", "__pycache__"}


@pytest.mark.parametrize("name", COMPARE_PURE)
def test_what_follows_is_worked_out_without_io(name: str) -> None:
    """So it follows again from a report, and is tested without a server."""
    for module, _ in imports_of(f"variants/compare/{name}.py"):
        assert module.partition(".")[0] not in IMPURE - {"random", "datetime"}
