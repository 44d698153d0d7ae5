"""The command line: every setting is a flag, every mistake one clear message."""

import logging
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from dumb_async import Service, Settings, __version__, cli
from dumb_async.hosting import options
from dumb_async.runtimes import NAMES

from .protocol.driver import converse
from .support import logged
from .test_running import visiting

FLAGS = {parameter.name: parameter for parameter in cli.main.params}

#: For each flag that takes a value: one that is valid and not the default.
VALUES: dict[str, tuple[str, object]] = {
    "host": ("localhost", "localhost"),
    "port": ("0", 0),
    "backlog": ("7", 7),
    "limit_line": ("8", 8),
    "limit_connections": ("9", 9),
    "limit_pipeline": ("10", 10),
    "timeout_idle": ("1.5", 1.5),
    "timeout_line": ("0", 0.0),
    "timeout_write": ("2", 2.0),
    "timeout_graceful": ("0.5", 0.5),
    "metrics_host": ("localhost", "localhost"),
    "metrics_port": ("0", 0),
    "loop": ("trio", "trio"),
}


class Runs(list[tuple[Service, dict[str, Any]]]):
    """What the command line would have run."""

    def run(self, service: Service, **given: Any) -> None:
        self.append((service, given))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Nothing is served; what would be is noted."""
    noted = Runs()
    monkeypatch.setattr(cli, "run", noted.run)
    return noted


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """What is configured here ends with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def invoke(*flags: str, env: dict[str, str] | None = None) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(cli.main, list(flags), env=env)


def flag(name: str) -> str:
    """As it is written."""
    return "--" + name.replace("_", "-")


class Confinement(list[object]):
    """What the process would have been confined to, and what would have been run then."""

    def note(self, value: Any, **_: object) -> None:
        self.append("run" if isinstance(value, Service) else value)


@pytest.fixture
def confinement(monkeypatch: pytest.MonkeyPatch) -> Confinement:
    """No CPU or memory is taken from this process."""
    noted = Confinement()
    for module, name in ((options, "pin"), (options, "limit_memory"), (cli, "run")):
        monkeypatch.setattr(module, name, noted.note)
    return noted


def test_every_setting_is_a_flag(runs: Runs) -> None:
    """With its default and its range."""
    assert 0 == invoke().exit_code
    ((_, given),) = runs
    defaults = {one.name: one.default for one in fields(Settings)}
    assert defaults == {name: given[name] for name in defaults}
    assert Settings() == Settings(**{name: given[name] for name in defaults})


def test_every_flag_is_in_the_help() -> None:
    """With what it does, and its default where it has one."""
    result = invoke("--help")
    assert (0, "") == (result.exit_code, result.stderr)
    text = " ".join(result.stdout.split())
    for name, parameter in FLAGS.items():
        assert isinstance(parameter, click.Option)
        assert flag(str(name)) in text
        assert parameter.help
        assert " ".join(parameter.help.split()) in text, name
    for default in ("127.0.0.1", "8090", "9000", "1024", "256", "86400", "1000000000000", "auto"):
        assert f"[default: {default}" in text.replace("86400.0", "86400"), default
    assert "DUMB_LIMIT_LINE" in text
    assert all(name in text for name in NAMES)


def test_the_flags_are_those_agreed() -> None:
    """The manual names them."""
    assert {
        "host", "port", "loop", "service", "backlog", "wait_unit", "limit_line", "limit_wait",
        "limit_burn", "limit_stream", "limit_connections", "limit_pipeline", "timeout_idle",
        "timeout_line", "timeout_write", "timeout_graceful", "metrics_host", "metrics_port",
        "no_metrics", "log_level", "log_format", "access_log", "cpus", "memory_limit", "version",
    } == FLAGS.keys()  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("way", ["flag", "environment"])
def test_values_are_passed_on(runs: Runs, name: str, way: str) -> None:
    """By the flag, or by DUMB_<FLAG>."""
    text, value = VALUES[name]
    if way == "flag":
        result = invoke(flag(name), text)
    else:
        result = invoke(env={"DUMB_" + name.upper(): text})
    assert 0 == result.exit_code, result.output
    assert value == runs[0][1][name]
    assert type(value) is type(runs[0][1][name])


@pytest.mark.parametrize("name", ["no_metrics", "access_log"])
@pytest.mark.parametrize("way", ["flag", "environment"])
def test_switches_are_passed_on(runs: Runs, name: str, way: str) -> None:
    """By the flag, or by DUMB_<FLAG>=1; 0 leaves them off."""
    off, on = {"DUMB_" + name.upper(): "0"}, {"DUMB_" + name.upper(): "1"}
    assert 0 == invoke(env=off).exit_code
    assert 0 == (invoke(flag(name)) if way == "flag" else invoke(env=on)).exit_code
    seen = [
        (given["metrics_port"] is None) if name == "no_metrics" else given["access_log"]
        for _, given in runs
    ]
    assert [False, True] == seen


def test_a_flag_is_stronger_than_the_environment(runs: Runs) -> None:
    """It was given last."""
    invoke("--port", "1", env={"DUMB_PORT": "2"})
    assert 1 == runs[0][1]["port"]


@pytest.mark.parametrize(
    ("flags", "request_", "reply"),
    [
        ((), b"PING\nWAIT 1\nBURN 3\nSTREAM 2\n", b"PONG\nDONE\nRESULT 6\nAADONE\n"),
        (("--limit-wait", "1"), b"WAIT 1\nWAIT 1.1\n", b"DONE\nINVALID_ARGUMENT\n"),
        (("--limit-burn", "1"), b"BURN 1\nBURN 2\n", b"RESULT 1\nINVALID_ARGUMENT\n"),
        (("--limit-stream", "1"), b"STREAM 1\nSTREAM 2\n", b"ADONE\nINVALID_ARGUMENT\n"),
        (
            ("--wait-unit", "ms", "--limit-wait", "1"),
            b"WAIT 1000\nWAIT 1001\n",
            b"DONE\nINVALID_ARGUMENT\n",
        ),
        (("--service", "examples.greeter:service"), b"ECHO x\nBURN 3\n", b"x\nUNKNOWN_COMMAND\n"),
    ],
)
def test_the_service_is_made_as_told(
    runs: Runs, flags: tuple[str, ...], request_: bytes, reply: bytes
) -> None:
    """The four commands with their limits, or one's own."""
    assert 0 == invoke(*flags).exit_code
    assert reply == converse(runs[0][0], request_).sent


def test_the_log_is_configured(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is served."""
    assert 0 == invoke("--log-level", "ERROR", "--log-format", "json").exit_code
    assert logging.ERROR == logging.getLogger().level
    assert 1 == len(runs)
    assert "" == capsys.readouterr().err


MISTAKES = [
    "--no-such-flag", "surplus", "--loop twisted", "--port many", "--port 70000", "--port -1",
    "--metrics-port 70000", "--metrics-port -1", "--wait-unit fortnight", "--log-level loud",
    "--log-format xml", "--backlog 0", "--limit-line 0", "--limit-line many", "--limit-line 1.5",
    "--limit-connections 0", "--limit-pipeline 0", "--limit-burn -1", "--limit-burn 1e3",
    "--limit-stream 1.5", "--limit-wait -1", "--limit-wait nan", "--limit-wait inf",
    "--timeout-idle -1", "--timeout-idle inf", "--timeout-line nan", "--timeout-write x",
    "--timeout-graceful soon", "--service nocolon", "--service no_such_module:service",
    "--service examples.greeter:nothing", "--service json:loads", "--service :", "--port",
    "--cpus", "--cpus all", "--cpus 1-", "--cpus -1", "--cpus 1,,2", "--cpus 0;1", "--cpus 12345",
    "--cpus 3-1", "--memory-limit", "--memory-limit much", "--memory-limit 1.5",
    "--memory-limit -5", "--memory-limit 5X", "--memory-limit 64mm", "--memory-limit 1KBi",
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_explained_briefly(runs: Runs, mistake: str) -> None:
    """What is wrong is named, nothing is served, and the status is 2."""
    result = invoke(*mistake.split())
    assert 2 == result.exit_code
    assert "" == result.stdout
    assert 1 <= len(result.stderr.splitlines()) <= 5
    assert mistake.rsplit(maxsplit=1)[-1].removeprefix("--") in result.stderr
    assert "Traceback" not in result.stderr
    assert [] == runs


@pytest.mark.parametrize(("name", "value"), [("PORT", "many"), ("LOOP", "x"), ("NO_METRICS", "x")])
def test_a_mistake_in_the_environment_is_explained(runs: Runs, name: str, value: str) -> None:
    """It is one on the command line, just elsewhere."""
    result = invoke(env={"DUMB_" + name: value})
    assert 2 == result.exit_code
    assert value in result.stderr
    assert [] == runs


@pytest.mark.parametrize("name", ["PORT", "METRICS_PORT"])
def test_a_variable_that_kubernetes_has_set_is_named(runs: Runs, name: str) -> None:
    """And so is what to do about it: nobody has given any `--port`."""
    result = invoke(env={"DUMB_" + name: "tcp://10.0.0.1:8090"})
    assert 2 == result.exit_code
    service = {"PORT": "'dumb'", "METRICS_PORT": "'dumb-metrics'"}[name]
    for word in (f"the environment variable DUMB_{name} ", "tcp://10.0.0.1:8090",
                 "Kubernetes", service, "enableServiceLinks: false"):  # fmt: skip
        assert word in result.stderr
    assert [] == runs


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "x"), ("SERVICE", "no_such_module:x"), ("TIMEOUT_IDLE", "nan"), ("CPUS", "1-"),
     ("MEMORY_LIMIT", "much"), ("LOOP", "x"), ("ACCESS_LOG", "x"), ("LIMIT_LINE", "0")],
)  # fmt: skip
def test_a_mistake_is_laid_to_its_variable(runs: Runs, name: str, value: str) -> None:
    """Of whatever kind it is; a flag is named if that was wrong."""
    result = invoke(env={"DUMB_" + name: value})
    assert 2 == result.exit_code
    assert f"the environment variable DUMB_{name} ({flag(name.lower())}): " in result.stderr
    assert "Kubernetes" not in result.stderr
    result = invoke(flag(name.lower()), value) if name != "ACCESS_LOG" else result
    assert ("the environment" in result.stderr) is (name == "ACCESS_LOG")
    assert [] == runs


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"DUMB_CPUS": "9999"}, " (set by DUMB_CPUS)"),
        ({"DUMB_HOST": "192.0.2.1", "DUMB_BACKLOG": "77"}, " (set by DUMB_HOST)"),
        ({"DUMB_HOST": "192.0.2.1", "DUMB_PORT": "8099"}, " (set by DUMB_HOST and DUMB_PORT)"),
        ({"DUMB_METRICS_HOST": "192.0.2.1", "DUMB_PORT": "0"}, " (set by DUMB_METRICS_HOST)"),
    ],
)
def test_what_cannot_be_had_is_laid_to_its_variable(env: dict[str, str], told: str) -> None:
    """In the same line, with those variables that have set what the line speaks of."""
    result = invoke(env=env)
    assert (1, 1) == (result.exit_code, len(result.stderr.splitlines()))
    assert result.stderr.endswith(told + "\n")


@pytest.mark.parametrize("text", ["１２３", "٣", "1_000", "1２", "²"])
@pytest.mark.parametrize("name", ["port", "backlog", "timeout_idle", "limit_burn", "limit_wait"])
@pytest.mark.parametrize("way", ["flag", "environment"])
def test_numbers_are_in_ascii_digits(runs: Runs, name: str, text: str, way: str) -> None:
    """Whoever reads them back elsewhere would not take them."""
    if way == "flag":
        result = invoke(flag(name), text)
    else:
        result = invoke(env={"DUMB_" + name.upper(): text})
    assert 2 == result.exit_code
    assert f"{text!r} is not " in result.stderr
    assert [] == runs


def test_an_import_that_fails_later_is_not_the_fault_of_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is a bug like any other, and its trace is wanted."""

    def fail(*_: object, **__: object) -> None:
        raise ImportError("of a command")

    monkeypatch.setattr(cli, "run", fail)
    result = invoke()
    assert isinstance(result.exception, ImportError)
    assert "--loop" not in result.stderr


def test_the_version_is_printed() -> None:
    """That of the package."""
    result = invoke("--version")
    assert (0, "") == (result.exit_code, result.stderr)
    assert __version__ in result.stdout


@pytest.mark.parametrize("taken", ["--port", "--metrics-port"])
def test_a_taken_port_is_said_in_one_line(taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit status is 1."""
    if taken == "--metrics-port":  # see test_a_taken_metrics_port_leaves_no_listener
        monkeypatch.setattr(cli, "run", _fail_like_a_taken_port)
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        result = invoke("--port", "0", "--metrics-port", "0", taken, port)
    assert 1 == result.exit_code
    assert (
        f"dumb_async: cannot listen on 127.0.0.1:{port}: Address already in use\n" == result.stderr
    )


def _fail_like_a_taken_port(*_: object, metrics_port: int, **__: object) -> None:
    raise OSError(98, f"cannot listen on 127.0.0.1:{metrics_port}: Address already in use")


def test_a_loop_that_is_not_installed_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit status is 1: the usage was right."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.delitem(sys.modules, "dumb_async.runtimes.uvloop_", raising=False)
    result = invoke("--port", "0", "--no-metrics", "--loop", "uvloop")
    assert 1 == result.exit_code
    assert result.stderr.startswith("dumb_async: --loop uvloop cannot be used: ")
    assert 1 == len(result.stderr.splitlines())


def test_an_error_without_a_number_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no text from the system."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("something else")

    monkeypatch.setattr(cli, "run", fail)
    result = invoke()
    assert (1, "dumb_async: something else\n") == (result.exit_code, result.stderr)


def test_a_bug_is_not_taken_for_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its trace is wanted."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "run", fail)
    assert isinstance(invoke().exception, ZeroDivisionError)


@pytest.mark.parametrize("module", ["dumb_async", "dumb_async.healthcheck", "variants", "loadgen"])
def test_it_runs_as_a_module(module: str) -> None:
    """``python -m``."""
    argv = [sys.executable, "-m", module, "--help"]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (0, "") == (ended.returncode, ended.stderr)
    assert "--help" in ended.stdout


def test_what_is_told_is_what_is_served(capfd: pytest.CaptureFixture[str]) -> None:
    """From the flags to the socket, and what is logged meanwhile."""
    replies: list[bytes] = []
    with visiting(lambda visitor: replies.append(visitor.ask(b"PING\nPINGS\n"))):
        result = invoke("--port", "0", "--no-metrics", "--limit-line", "4")
    assert [b"PONG\nLINE_TOO_LONG\n"] == replies
    assert 0 == result.exit_code
    assert re.search(r"INFO +dumb_async serves on .*\n.*SIGTERM: stopping", logged(capfd))


def test_the_environment_cannot_ask_for_the_version(runs: Runs) -> None:
    """Many a container has a variable of that name."""
    assert 0 == invoke(env={"DUMB_VERSION": "1.2.3"}).exit_code
    assert 1 == len(runs)


@pytest.mark.parametrize("way", ["flag", "environment"])
@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("cpus", "0", {0}), ("cpus", "0,2-3", {0, 2, 3}), ("cpus", "5-5,5", {5}),
        ("cpus", "1-2,0-1", {0, 1, 2}), ("cpus", "9999", {9999}),
        ("memory_limit", "0", 0), ("memory_limit", "123456789", 123_456_789),
        ("memory_limit", "512K", 512 * 1024), ("memory_limit", "256M", 256 * 1024**2),
        ("memory_limit", "3G", 3 * 1024**3),
    ],
)  # fmt: skip
def test_the_process_is_confined_before_it_serves(
    confinement: Confinement, way: str, name: str, text: str, value: object
) -> None:
    """To CPUs as taskset takes them, to memory in bytes or powers of 1024."""
    if way == "flag":
        result = invoke(flag(name), text)
    else:
        result = invoke(env={"DUMB_" + name.upper(): text})
    assert 0 == result.exit_code, result.output
    assert [value, "run"] == confinement


def test_the_process_is_confined_only_if_asked(confinement: Confinement) -> None:
    """It runs where and with what it was started."""
    assert 0 == invoke().exit_code
    assert ["run"] == confinement


@pytest.mark.parametrize(
    ("name", "text", "what"), [("pin", "--cpus 0", "CPU"), ("limit_memory", "--memory-limit 0", "")]
)
def test_what_cannot_be_had_is_said_in_one_line(
    confinement: Confinement, monkeypatch: pytest.MonkeyPatch, name: str, text: str, what: str
) -> None:
    """The exit status is 1: the usage was right; nothing is served."""

    def fail(_: object) -> None:
        raise OSError(f"no {what} for you")

    monkeypatch.setattr(options, name, fail)
    result = invoke(*text.split())
    assert (1, "", f"dumb_async: no {what} for you\n") == (
        result.exit_code, result.stdout, result.stderr,
    )  # fmt: skip
    assert [] == confinement
