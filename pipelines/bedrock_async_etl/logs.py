"""Log lines on stderr: plain ones for people, or one JSON object a line for a collector."""

import json
import logging
import sys
from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import Any, Final, Literal, Self

from bedrock_async_etl.formatting import escape_controls

LogFormat = Literal["text", "json"]

LOGGER: Final = logging.getLogger("bedrock_async_etl")
DLT_LOGGER: Final = logging.getLogger("dlt")
ERROR: Final = "error"
"""The event that ends a command."""


def log_event(
    event: str, message: str = "", level: int = logging.INFO, *, trace: bool = False, **fields: Any
) -> None:
    """Log an event; the message is for people, the fields are for machines."""
    LOGGER.log(
        level, "%s", message, extra={"event": event, "fields": fields}, exc_info=trace or None
    )


def log_error(message: str, *, trace: bool = False, **fields: Any) -> None:
    """Log the error that a command fails with."""
    log_event(ERROR, message, logging.ERROR, trace=trace, **fields)


class Lines(logging.Handler):
    """Prints each record as a line, credentials masked.

    It ignores the formatter that dlt gives to every handler of its logger.
    """

    def __init__(self, log_format: LogFormat) -> None:
        super().__init__()
        self._format = _json_line if log_format == "json" else _text_line

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self._format(record)}\n")


def _text_line(record: logging.LogRecord) -> str:
    prefix = "Error: " if getattr(record, "event", None) == ERROR else ""
    traceback = f"{_traceback(record)}\n" if record.exc_info else ""
    return escape_controls(mask_credentials(f"{traceback}{prefix}{record.getMessage()}"))


def _json_line(record: logging.LogRecord) -> str:
    """A JSON object: time, level, event, message, and the event's fields."""
    line: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
        "level": record.levelname.lower(),
        "event": getattr(record, "event", "log"),
    }
    if record.name != LOGGER.name:
        line["logger"] = record.name
    if message := record.getMessage():
        line["message"] = message
    line |= getattr(record, "fields", {})
    if record.exc_info:
        line["traceback"] = _traceback(record)
    shown = {name: mask_credentials(value) for name, value in line.items()}
    return json.dumps(shown, default=json_value)


def _traceback(record: logging.LogRecord) -> str:
    assert record.exc_info
    return logging.Formatter().formatException(record.exc_info)


class Logs:
    """The log lines of a command while it runs, plain at first."""

    def __init__(self) -> None:
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        LOGGER.setLevel(logging.INFO)
        LOGGER.propagate = False
        self.use("text")
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def use(self, log_format: LogFormat) -> None:
        """Change the format; JSON includes warnings and the records of dlt and other libraries."""
        self._undo.close()
        loggers = [LOGGER]
        if log_format == "json":
            loggers += [logging.getLogger(), DLT_LOGGER]
            for handler in DLT_LOGGER.handlers[::-1]:
                DLT_LOGGER.removeHandler(handler)
                self._undo.callback(DLT_LOGGER.addHandler, handler)
            logging.captureWarnings(True)
            self._undo.callback(logging.captureWarnings, False)
        lines = Lines(log_format)
        for logger in loggers:
            logger.addHandler(lines)
            self._undo.callback(logger.removeHandler, lines)


LOGS: Final = Logs()
"""Log lines of the command that this process runs."""


def mask_credentials(value: Any) -> Any:
    """A text with its credentials masked; any other value as it is."""
    # The source brings dlt along, and `--help` needs neither.
    from bedrock_async_invokes.errors import masked

    return masked(value) if isinstance(value, str) else value


def json_value(value: Any) -> Any:
    """A value that JSON lacks: times and dates in ISO 8601, others as text."""
    return value.isoformat() if isinstance(value, date) else str(value)
