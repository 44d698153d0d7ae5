"""Logs on standard error, as text or as a JSON object a line; nobody waits for them.

Who reads the log may stall: a pipe is full, a terminal is stopped. So a line is made where it is
logged, and written by a thread of its own; lines that the thread is too far behind with are
dropped, counted, and said to be.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Literal

from ..protocol import BadCommand
from ..starting import masked

LogFormat = Literal["text", "json"]

_TEXT = "%(asctime)s %(levelname)-7s %(message)s"

#: Lines that wait to be written; more are dropped. Some megabytes at the most.
LONGEST_QUEUE: Final = 10_000
#: Seconds without a line after which the thread ends: a server with one thread has one.
IDLE: Final = 0.1
#: Seconds that a program waits at its end for the lines that are not written yet.
PATIENCE: Final = 1.0


class JsonFormatter(logging.Formatter):
    """A record as one JSON object: time, level, logger, message, and its ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


class QueuedHandler(logging.Handler):
    """Has records written to a descriptor by a thread, which is there while there are any.

    So processes may be forked before that, and each that is forked has a thread of its own.

    :param fd: where to write; it is not closed.
    """

    #: Lines of this process that were dropped.
    dropped = 0

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._lines: deque[bytes] = deque()
        self._some = threading.Condition()
        self._dropped = 0
        self._writer: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._forget)

    def emit(self, record: logging.LogRecord) -> None:
        """Have it written, if the writer is not too far behind."""
        try:
            self._put(f"{self.format(record)}\n".encode(errors="backslashreplace"))
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Wait until all is written that was logged, but not for long."""
        until = time.monotonic() + PATIENCE
        with self._some:
            self._start()
            while self._writer is not None and (left := until - time.monotonic()) > 0:
                if not self._lines:
                    return
                self._some.wait(left)

    def _put(self, line: bytes) -> None:
        with self._some:
            if len(self._lines) >= LONGEST_QUEUE:
                self._dropped += 1
                QueuedHandler.dropped += 1
                return
            self._lines.append(line)
            self._start()
            self._some.notify_all()

    def _start(self) -> None:
        if self._writer is None and self._lines:
            writer = threading.Thread(target=self._write, name="log", daemon=True)
            # Signals are for threads that know what to do.
            deaf = masked(signal.SIG_BLOCK, signal.valid_signals())
            with suppress(RuntimeError, MemoryError), deaf:
                writer.start()  # or with the next line, if there cannot be one more thread now
                self._writer = writer

    def _write(self) -> None:
        """Write line by line. The first of the queue is the one that is being written."""
        while True:
            with self._some:
                if not self._some.wait_for(lambda: bool(self._lines), IDLE):
                    self._writer = None
                    return
            self._write_all(self._lines[0])
            with self._some:
                self._lines.popleft()
                if self._dropped and not self._lines:
                    self._lines.append(self._say_dropped())
                self._some.notify_all()

    def _write_all(self, line: bytes) -> None:
        while line:
            try:
                line = line[os.write(self._fd, line) :]
            except BlockingIOError:  # somebody has made it so
                time.sleep(0.01)
            except OSError:  # nobody reads any more
                return

    def _say_dropped(self) -> bytes:
        count, self._dropped = self._dropped, 0
        record = logging.makeLogRecord({
            "name": __name__, "levelno": logging.WARNING, "levelname": "WARNING",
            "msg": "%d lines of the log were dropped: they were not read in time", "args": (count,),
            "fields": {"dropped": count},
        })  # fmt: skip
        return f"{self.format(record)}\n".encode()

    def _forget(self) -> None:
        """Be as new, in a process that was just forked: what waits is our parent's to write."""
        self._lines.clear()
        self._some = threading.Condition()
        self._dropped = 0
        self._writer = None


def configure(level: str, log_format: LogFormat) -> None:
    """Send everything from ``level`` up to standard error."""
    sys.stderr.flush()
    handler = QueuedHandler(2)
    handler.setFormatter(JsonFormatter() if log_format == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def log_failure(logger: logging.Logger, message: str, error: BaseException) -> None:
    """Log where ``error`` came from and its type, but not its text.

    The text of an exception often quotes what a function was given, and what a client has
    sent belongs in no log. The text of a `BadCommand` is our own.
    """
    if isinstance(error, BadCommand):
        logger.error("%s: %s", message, error)
    else:
        trace = "".join(traceback.format_tb(error.__traceback__))
        logger.error("%s: %s\n%s", message, type(error).__name__, trace.rstrip())


def announce(logger: logging.Logger, message: str, **fields: Any) -> None:
    """Log what must be seen whatever the level is."""
    record = logger.makeRecord(
        logger.name, logging.INFO, __file__, 0, message, (), None, extra={"fields": fields}
    )
    logger.handle(record)
