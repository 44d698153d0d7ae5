"""Logs on standard error, as text or as a JSON object a line."""

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any, Literal

from ..protocol import BadCommand

LogFormat = Literal["text", "json"]

_TEXT = "%(asctime)s %(levelname)-7s %(message)s"


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


def configure(level: str, log_format: LogFormat) -> None:
    """Send everything from ``level`` up to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def log_failure(logger: logging.Logger, message: str, error: Exception) -> None:
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
