"""``python -m variants``: what there is, how each is run, and what is said of mistakes."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from variants import NAMES, cli, module_of

from ..conformance.launching import ROOT, environment
from ..conformance.servers import ANY_PORTS, VARIANTS

PATIENCE = 30.0

FLAGS = """
    host port service wait-unit metrics-port no-metrics cpus memory-limit limit-line
    limit-connections limit-pipeline timeout-idle timeout-line timeout-write timeout-graceful
    access-log
""".split()

MISTAKES = (
    "no-such-model", "EPOLL", "--no-such-flag", "epoll surplus", "epoll --no-such-flag",
    "epoll --port many", "epoll --port 70000", "threads --limit-line 0", "coro --timeout-idle nan",
    "select --service nocolon", "streams --service no_such_module:service", "iterative --workers 2",
    "epoll --threads", "epoll-workers --workers 0", "epoll-workers --workers many",
    "reactor --workers -1", "nested --loop anyio-trio", "nested --loop no-such-loop",
    "epoll --loop asyncio", "epoll --memory-limit much", "epoll --cpus 3-1", "epoll --cpus none",
)  # fmt: skip

#: What cannot be had is no mistake of the command line.
FAILURES = (
    "epoll --cpus 9999", "epoll-workers --cpus 9999", "epoll --memory-limit 1M",
    "epoll-workers --memory-limit 1M", "epoll --host 192.0.2.1",
)  # fmt: skip


def run(*argv: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself, in a terminal wide enough for pictures."""
    return subprocess.run(
        argv,
        cwd=folder,
        env={**environment(), "COLUMNS": "120", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def ask(*argv: str) -> str:
    """What is printed for that in this process, which is a start of Python less."""
    result = CliRunner().invoke(cli.main, argv, env={"COLUMNS": "120"})
    assert (0, "") == (result.exit_code, result.stderr)
    return result.stdout


def test_every_model_is_listed_with_a_line() -> None:
    """In the order in which they are taught; each line fits on a terminal."""
    ended = run(*VARIANTS)
    assert (0, "") == (ended.returncode, ended.stderr)
    _, _, commands = ended.stdout.partition("Commands:\n")
    found = [re.fullmatch(r"  (\S+) +(\S.{10,60})", line) for line in commands.splitlines()]
    assert all(found), commands
    assert [*NAMES, "compare"] == [match[1] for match in found if match]
    assert len(NAMES) + 1 == len({match[2] for match in found if match})
    assert "..." not in commands  # click shortens what is too long


@pytest.mark.parametrize("argv", [("--help",), ("-h",)])
def test_the_list_is_also_the_help(argv: tuple[str, ...]) -> None:
    """Whoever asks for it gets the same."""
    assert run(*VARIANTS).stdout == run(*VARIANTS, *argv).stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_model_explains_itself(name: str) -> None:
    """What it is, what it is good at and where it breaks, with its picture, then all flags."""
    module = f"variants.{module_of(name)}"
    by_name, by_module = run(*VARIANTS, name, "--help"), run(sys.executable, "-m", module, "--help")
    for ended in (by_name, by_module):
        assert (0, "") == (ended.returncode, ended.stderr)
    usage = f"Usage: python -m variants {name} [OPTIONS]"
    assert usage == by_name.stdout.splitlines()[0]
    assert f"Usage: python -m {module} [OPTIONS]" == by_module.stdout.splitlines()[0]
    assert by_name.stdout.splitlines()[1:] == by_module.stdout.splitlines()[1:]
    essay, _, options = by_name.stdout.partition("\nOptions:\n")
    for word in ("The model. ", "Good at: ", "Breaks"):
        assert word in essay
    assert [] == [flag for flag in FLAGS if f"--{flag} " not in options.replace("\n", " ")]
    assert "DUMB_" in options


@pytest.mark.parametrize("folder", ["variants", "variants/compare", "loadgen/plan"])
def test_a_model_starts_in_every_folder(folder: str) -> None:
    """Which Python searches first: nothing in it is taken for a module of the library."""
    ended = run(*VARIANTS, "select", "--version", folder=ROOT / folder)
    assert (0, "") == (ended.returncode, ended.stderr)


@pytest.mark.parametrize("name", NAMES)
def test_the_essay_is_shown_as_it_was_written(name: str) -> None:
    """Line by line, or the pictures would be none."""
    essay = importlib.import_module(f"variants.{module_of(name)}").__doc__ or ""
    shown = [line.strip() for line in ask(name, "--help").splitlines()]
    assert [] == [line for line in essay.splitlines() if line.strip() not in shown]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_explained_briefly(mistake: str) -> None:
    """The exit status is 2, and what is wrong is named without a trace."""
    ended = run(*VARIANTS, *mistake.split())
    assert (2, "") == (ended.returncode, ended.stdout), ended.stderr
    assert "Traceback" not in ended.stderr
    assert 1 <= len(ended.stderr.splitlines()) <= 5
    assert any(word in ended.stderr for word in re.split("[ :]", mistake)[-2:])


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_said_in_one_line(failure: str) -> None:
    """The exit status is 1."""
    ended = run(*VARIANTS, *failure.split(), *ANY_PORTS)
    assert (1, "") == (ended.returncode, ended.stdout), ended.stderr
    (line,) = ended.stderr.splitlines()
    assert "Traceback" not in line


@pytest.mark.parametrize("name", NAMES)
def test_every_model_has_the_version(name: str) -> None:
    """That of the project."""
    assert re.search(r"\d+\.\d+", ask(name, "--version"))


def test_the_environment_sets_what_flags_do_not() -> None:
    """Under the same names for all models, those with options of their own included."""
    for name in ("epoll", "epoll-workers"):
        ended = subprocess.run(
            [*VARIANTS, name],
            cwd=ROOT,
            env={**os.environ, "DUMB_PORT": "many"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert 2 == ended.returncode
        assert "many" in ended.stderr
