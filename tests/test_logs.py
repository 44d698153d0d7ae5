"""Logs on standard error, for people or for programs."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from dumb_async.hosting.logs import (
    LONGEST_QUEUE,
    QueuedHandler,
    announce,
    configure,
    log_failure,
)
from dumb_async.protocol import BadCommand

from .conformance.launching import ROOT
from .support import logged

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


def test_text_is_a_line_with_time_and_level(capfd: pytest.CaptureFixture[str]) -> None:
    """On standard error."""
    configure("info", "text")
    logger.warning("careful: %s", 5)
    err = logged(capfd)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING careful: 5\n", err)


def test_json_is_an_object_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    """With the time in UTC, and with the fields of the record."""
    configure("info", "json")
    logger.info('two\nlines, "quoted"', extra={"fields": {"peer": "x", "count": 2}})
    (line,) = logged(capfd).splitlines()
    entry = json.loads(line)
    assert timedelta(0) == datetime.fromisoformat(entry.pop("time")).utcoffset()
    assert {
        "level": "info", "logger": "dumb_async.test", "message": 'two\nlines, "quoted"',
        "peer": "x", "count": 2,
    } == entry  # fmt: skip


def test_json_has_the_exception(capfd: pytest.CaptureFixture[str]) -> None:
    """In the same object."""
    configure("info", "json")
    try:
        raise LookupError("lost")
    except LookupError:
        logger.exception("failed")
    entry = json.loads(logged(capfd))
    assert ("error", "failed") == (entry["level"], entry["message"])
    assert entry["exception"].endswith("LookupError: lost")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical", "INFO"])
def test_less_severe_messages_are_left_out(level: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Those from the level on are there."""
    levels = ["debug", "info", "warning", "error", "critical"]
    configure(level, "text")
    for name in levels:
        getattr(logger, name)(name)
    seen = [line.split()[-1] for line in logged(capfd).splitlines()]
    assert levels[levels.index(level.lower()) :] == seen


def test_configuring_again_replaces(capfd: pytest.CaptureFixture[str]) -> None:
    """One line, not two."""
    configure("info", "text")
    configure("info", "json")
    logger.info("once")
    assert 1 == len(logged(capfd).splitlines())


@pytest.mark.parametrize("level", ["debug", "critical"])
def test_an_announcement_is_seen_whatever_the_level_is(
    level: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is what the server was started to say."""
    configure(level, "json")
    announce(logger, "here I am", port=5)
    entry = json.loads(logged(capfd))
    assert ("here I am", "info", 5) == (entry["message"], entry["level"], entry["port"])


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_failure_is_logged_without_its_text(
    log_format: str, capfd: pytest.CaptureFixture[str]
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
    err = logged(capfd)
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


def test_a_reader_that_stalls_keeps_nobody_waiting() -> None:
    """What does not fit into the queue is dropped, counted and said; the rest is there."""
    read, write = os.pipe()
    handler = QueuedHandler(write)
    handler.setFormatter(logging.Formatter("%(message)s"))
    before, records = QueuedHandler.dropped, LONGEST_QUEUE * 2
    for number in range(records):
        handler.emit(logging.makeLogRecord({"msg": f"{number:0100}"}))
    dropped = QueuedHandler.dropped - before
    assert 0 < dropped <= records - LONGEST_QUEUE
    with os.fdopen(read, "rb") as lines:
        seen = [int(next(lines)) for _ in range(records - dropped)]
        assert sorted({*seen}) == seen  # in order, each once
        expected = f"{dropped} lines of the log were dropped: they were not read in time\n"
        assert expected == next(lines).decode()
        handler.emit(logging.makeLogRecord({"msg": "and on"}))
        assert b"and on\n" == next(lines)
        handler.flush()
        os.close(write)
        assert b"" == lines.read()


def test_a_program_that_ends_has_logged_all() -> None:
    """Up to its last line; and a child that it forked logs for itself."""
    program = """if True:
        import logging, os
        from dumb_async.hosting.logs import configure
        configure("info", "text")
        for number in range(1000):
            logging.info("%d", number)
        if not os.fork():
            logging.info("child")
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, check=True, cwd=ROOT
    )
    said = [line.split()[-1].decode() for line in done.stderr.splitlines()]
    assert sorted([*map(str, range(1000)), "child"]) == sorted(said)
