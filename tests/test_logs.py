"""Logs on standard error, for people or for programs."""

import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from dumb_async.hosting.logs import announce, configure, log_failure
from dumb_async.protocol import BadCommand

logger = logging.getLogger("dumb_async.test")


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """What is configured here ends with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # else they would be closed
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_text_is_a_line_with_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error."""
    configure("info", "text")
    logger.warning("careful: %s", 5)
    out, err = capsys.readouterr()
    assert "" == out
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING careful: 5\n", err)


def test_json_is_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With the time in UTC, and with the fields of the record."""
    configure("info", "json")
    logger.info('two\nlines, "quoted"', extra={"fields": {"peer": "x", "count": 2}})
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert timedelta(0) == datetime.fromisoformat(entry.pop("time")).utcoffset()
    assert {
        "level": "info", "logger": "dumb_async.test", "message": 'two\nlines, "quoted"',
        "peer": "x", "count": 2,
    } == entry  # fmt: skip


def test_json_has_the_exception(capsys: pytest.CaptureFixture[str]) -> None:
    """In the same object."""
    configure("info", "json")
    try:
        raise LookupError("lost")
    except LookupError:
        logger.exception("failed")
    entry = json.loads(capsys.readouterr().err)
    assert ("error", "failed") == (entry["level"], entry["message"])
    assert entry["exception"].endswith("LookupError: lost")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical", "INFO"])
def test_less_severe_messages_are_left_out(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Those from the level on are there."""
    levels = ["debug", "info", "warning", "error", "critical"]
    configure(level, "text")
    for name in levels:
        getattr(logger, name)(name)
    seen = [line.split()[-1] for line in capsys.readouterr().err.splitlines()]
    assert levels[levels.index(level.lower()) :] == seen


def test_configuring_again_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, not two."""
    configure("info", "text")
    configure("info", "json")
    logger.info("once")
    assert 1 == len(capsys.readouterr().err.splitlines())


@pytest.mark.parametrize("level", ["debug", "critical"])
def test_an_announcement_is_seen_whatever_the_level_is(
    level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is what the server was started to say."""
    configure(level, "json")
    announce(logger, "here I am", port=5)
    entry = json.loads(capsys.readouterr().err)
    assert ("here I am", "info", 5) == (entry["message"], entry["level"], entry["port"])


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_failure_is_logged_without_its_text(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which often quotes what a client has sent; where it came from is what helps."""

    def fails() -> None:
        text = "".join(["sec", "ret"])  # the trace quotes the code
        raise ValueError(text) from KeyError(text)

    configure("info", log_format)  # type: ignore[arg-type]
    try:
        fails()
    except ValueError as error:
        log_failure(logger, "a command failed", error)
    err = capsys.readouterr().err
    assert "a command failed: ValueError" in err
    assert "in fails" in err
    assert "secret" not in err


def test_a_bad_command_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """What it returned is told by its type alone: its text may be a client's."""
    log_failure(logging.getLogger("x"), "failed", BadCommand("ECHO returned str"))
    assert "failed: ECHO returned str" in caplog.text


def test_the_text_of_another_failure_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """It often quotes what the function was given."""
    try:
        int(b"a client's secret")
    except ValueError as error:
        log_failure(logging.getLogger("x"), "failed", error)
    assert "failed: ValueError" in caplog.text
    assert "invalid literal" not in caplog.text
