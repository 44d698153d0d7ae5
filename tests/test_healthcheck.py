"""The health check: a real PING, and a clear word when it fails."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from dumb_async.healthcheck import main, ping

from .support import PATIENCE
from .test_running import Visitor, run_and_visit

Reply = Callable[[socket.socket], None]


@pytest.fixture
def answer() -> Iterator[Callable[[bytes], int]]:
    """Serve one client with the given bytes, at the port that is returned."""
    threads: list[threading.Thread] = []
    listeners: list[socket.socket] = []

    def serve(listener: socket.socket, reply: bytes) -> None:
        with listener, listener.accept()[0] as client:
            assert b"PING\n" == client.recv(100)
            client.sendall(reply)

    def start(reply: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threads.append(threading.Thread(target=serve, args=(listener, reply)))
        threads[-1].start()
        return int(listener.getsockname()[1])

    yield start
    for thread in threads:
        thread.join(PATIENCE)


def check(port: int, *flags: str, env: dict[str, str] | None = None) -> Result:
    """Run the check as a command."""
    return CliRunner().invoke(main, ["--port", str(port), *flags], env=env)


def test_a_server_that_answers_is_well() -> None:
    """A real one; nothing is said."""
    results = []
    run_and_visit(lambda visitor: results.append(check(port_of(visitor))))
    assert (0, "") == (results[0].exit_code, results[0].output)


def port_of(visitor: Visitor) -> int:
    """Where the visited server listens."""
    return int(visitor.announcement.fields["addresses"][0].rsplit(":", 1)[1])


def test_the_command_is_a_module() -> None:
    """As the container runs it: exit status and environment."""
    results: list[subprocess.CompletedProcess[str]] = []

    def visit(visitor: Visitor) -> None:
        command = [sys.executable, "-m", "dumb_async.healthcheck"]
        env = {"DUMB_PORT": str(port_of(visitor)), "DUMB_HOST": "0.0.0.0"}
        results.append(
            subprocess.run(
                command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        )

    run_and_visit(visit)
    assert (0, "", "") == (results[0].returncode, results[0].stdout, results[0].stderr)


@pytest.mark.parametrize("reply", [b"PONG\n", b"UNKNOWN_COMMAND\n"])
def test_a_service_need_not_know_ping(answer: Callable[[bytes], int], reply: bytes) -> None:
    """That it says so shows that it is well."""
    assert 0 == check(answer(reply)).exit_code


@pytest.mark.parametrize("reply", [b"SERVER_BUSY\n", b"", b"PON", b"PUNG\n", b"HTTP/1.1 400\n"])
def test_another_answer_is_unhealthy(answer: Callable[[bytes], int], reply: bytes) -> None:
    """It is quoted, since it is not a client's."""
    result = check(answer(reply))
    assert 1 == result.exit_code
    assert f"unhealthy: answered {reply!r}\n" == result.stderr


def test_nobody_there_is_unhealthy() -> None:
    """With the reason, on one line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = check(port)
    assert 1 == result.exit_code
    assert result.stderr.startswith("unhealthy: ")
    assert "refused" in result.stderr
    assert 1 == result.stderr.count("\n")


def test_silence_is_unhealthy() -> None:
    """Once the timeout is over."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = check(silent.getsockname()[1], "--timeout", "0.01")
    assert 1 == result.exit_code
    assert "timed out" in result.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "", "127.0.0.1", "localhost"])
def test_who_listens_everywhere_is_asked_at_home(answer: Callable[[bytes], int], host: str) -> None:
    """The server's own setting can be passed on as it is."""
    assert b"PONG\n" == ping(host, answer(b"PONG\n"), PATIENCE)


def test_a_long_answer_is_not_read(answer: Callable[[bytes], int]) -> None:
    """A wrong port may have much to say."""
    assert 64 == len(ping("127.0.0.1", answer(b"x" * 1000), PATIENCE))


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
def test_a_server_is_well_on_whatever_address_it_listens(host: str) -> None:
    """Of those that its host stands for."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    replies: list[bytes] = []
    with socket.create_server((host, 0), family=family) as listener:
        port = listener.getsockname()[1]
        asked = threading.Thread(target=lambda: replies.append(ping("", port, PATIENCE)))
        asked.start()
        listener.settimeout(PATIENCE)
        with listener.accept()[0] as client:
            heard = client.recv(100)
            client.sendall(b"PONG\n")
        asked.join(PATIENCE)
    assert ([b"PONG\n"], b"PING\n") == (replies, heard)


def test_a_mistake_in_the_environment_names_its_variable() -> None:
    """The server has the same ones."""
    result = CliRunner().invoke(main, env={"DUMB_PORT": "tcp://10.0.0.1:8090"})
    assert 2 == result.exit_code
    assert "the environment variable DUMB_PORT " in result.stderr


@pytest.mark.parametrize(
    "flags", [["--port", "0"], ["--timeout", "0"], ["--port", "x"], ["surplus"], ["--port", "９"]]
)
def test_mistakes_are_explained(flags: list[str]) -> None:
    """With status 2."""
    assert 2 == CliRunner().invoke(main, flags).exit_code
