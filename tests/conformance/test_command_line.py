"""How the server is started: flags, environment, and what it says when that goes wrong."""

import re
import socket
import subprocess
from contextlib import ExitStack

import pytest

from .client import PATIENCE
from .launching import ROOT, environment, free_port
from .process import Server, Start
from .servers import ANY_PORTS, DUMB_ASYNC, Target

FLAGS = """
    host port loop service backlog wait-unit limit-line limit-wait limit-burn limit-stream
    limit-connections limit-pipeline timeout-idle timeout-line timeout-write timeout-graceful
    metrics-host metrics-port no-metrics log-level log-format access-log cpus memory-limit version
""".split()

MISTAKES = (
    "--no-such-flag", "surplus", "--loop twisted", "--port many", "--port 70000", "--port",
    "--wait-unit fortnight", "--limit-line 0", "--limit-connections 0", "--limit-burn -1",
    "--limit-wait nan", "--timeout-idle -1", "--timeout-line nan", "--service nocolon",
    "--service no_such_module:service", "--service json:no_such_name", "--service json:loads",
)  # fmt: skip


def run(*argv: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        argv,
        cwd=ROOT,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture
def dumb_async(pytestconfig: pytest.Config) -> tuple[str, ...]:
    """The command line of dumb_async, where no loop matters."""
    if pytestconfig.getoption("--server"):
        pytest.skip("a foreign server does not take our flags")
    return DUMB_ASYNC


@pytest.mark.parametrize("taken", ["--port", "--metrics-port"])
def test_a_port_that_is_taken_is_said_in_one_line(target: Target, taken: str) -> None:
    """The exit status is 1."""
    if not target.ours:
        pytest.skip("a foreign server does not take our flags")
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        ended = run(*target.argv, taken, port)
    assert 1 == ended.returncode
    assert 1 == len(ended.stderr.splitlines()), ended.stderr
    assert port in ended.stderr


def test_an_address_that_is_not_ours_is_said_in_one_line(dumb_async: tuple[str, ...]) -> None:
    """The exit status is 1."""
    ended = run(*dumb_async, *ANY_PORTS, "--host", "192.0.2.1")
    assert 1 == ended.returncode
    assert 1 == len(ended.stderr.splitlines()), ended.stderr


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_explained_briefly(dumb_async: tuple[str, ...], mistake: str) -> None:
    """The exit status is 2, and what is wrong is named without a trace."""
    ended = run(*dumb_async, *ANY_PORTS, *mistake.split())
    assert 2 == ended.returncode, ended.stderr
    assert "" == ended.stdout
    assert "Traceback" not in ended.stderr
    assert 1 <= len(ended.stderr.splitlines()) <= 5
    assert any(word in ended.stderr for word in re.split("[ :]", mistake)[-2:])


def test_the_version_is_printed(dumb_async: tuple[str, ...]) -> None:
    """On standard output, with status 0."""
    ended = run(*dumb_async, "--version")
    assert (0, "") == (ended.returncode, ended.stderr)
    assert re.search(r"\d+\.\d+", ended.stdout)


def test_the_help_names_every_flag_and_the_environment(dumb_async: tuple[str, ...]) -> None:
    """Whatever can be set is found there."""
    ended = run(*dumb_async, "--help")
    assert (0, "") == (ended.returncode, ended.stderr)
    assert [] == [flag for flag in FLAGS if f"--{flag}" not in ended.stdout]
    assert "DUMB_" in ended.stdout


def test_the_environment_sets_what_flags_do_not(dumb_async: tuple[str, ...]) -> None:
    """Every flag is DUMB_<FLAG>; a flag on the command line is stronger."""
    port = free_port()
    env = {"DUMB_PORT": str(port), "DUMB_NO_METRICS": "1", "DUMB_LIMIT_LINE": "8"}
    with ExitStack() as stack:
        server = Server(Target("bare", (*dumb_async, "--limit-line", "9")), env=env)
        stack.callback(server.kill)
        assert ("127.0.0.1", port) == server.address
        assert server.metrics_url is None
        assert b"UNKNOWN_COMMAND\nLINE_TOO_LONG\n" == server.converse(b"123456789\n1234567890\n")


def test_a_mistake_in_the_environment_is_explained(dumb_async: tuple[str, ...]) -> None:
    """It is one on the command line, just elsewhere."""
    ended = run(*dumb_async, env={"DUMB_PORT": "many"})
    assert 2 == ended.returncode
    assert "many" in ended.stderr


def test_one_line_says_what_is_served_where(server: Server) -> None:
    """It is all that a server says while nothing goes wrong in it, whatever clients do."""
    if not server.target.ours:
        pytest.skip("a foreign server has its own words")
    assert 1 == len(server.stderr.splitlines()), server.stderr
    assert server.target.id.removeprefix("anyio-") in server.stderr


def test_what_clients_send_is_never_logged(start_server: Start) -> None:
    """Neither in the log nor on the metrics page, whatever is switched on."""
    server = start_server("--access-log", "--log-level", "debug")
    for request in (b"SECRET\n", b"PING SECRET\n", b"WAIT SECRET\n", b"SECRET" * 1000):
        assert b"\n" in server.converse(request)
    assert "SECRET" not in server.get()[1]
    assert 0 == server.stop()
    assert "SECRET" not in server.stderr
