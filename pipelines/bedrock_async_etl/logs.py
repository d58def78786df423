"""What is told on stderr: plain lines for people, or one JSON object a line for a collector."""

import json
import logging
import sys
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final, Self

from bedrock_async_etl.formatting import visible

LOGGER: Final = logging.getLogger("bedrock_async_etl")
DLT_LOGGER: Final = logging.getLogger("dlt")
ERROR: Final = "error"
"""The event of what ends a command."""


class LogFormat(StrEnum):
    """What the lines on stderr are."""

    TEXT = "text"
    JSON = "json"


class PlainLines(logging.Handler):
    """Prints messages as they are, but for credentials."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "Error: " if getattr(record, "event", None) == ERROR else ""
        told = f"{prefix}{record.getMessage()}"
        if record.exc_info:
            told = f"{traceback_of(record)}\n{told}"
        sys.stderr.write(f"{visible(without_credentials(told))}\n")


def traceback_of(record: logging.LogRecord) -> str:
    """What led to a record."""
    assert record.exc_info
    return logging.Formatter().formatException(record.exc_info)


def without_credentials(value: Any) -> Any:
    """A text, credentials in it being masked; any other value as it is."""
    # The source brings dlt along, and `--help` needs neither.
    from bedrock_async_invokes.errors import masked

    return masked(value) if isinstance(value, str) else value


class JsonLines(logging.Handler):
    """Prints each record as a JSON object: time, level, event, message, and the event's fields.

    Credentials are masked. It has no use for the formatter that dlt gives to every handler of its
    logger.
    """

    def emit(self, record: logging.LogRecord) -> None:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "log"),
        }
        if record.name != LOGGER.name:
            told["logger"] = record.name
        if message := record.getMessage():
            told["message"] = message
        told |= getattr(record, "fields", {})
        if record.exc_info:
            told["traceback"] = traceback_of(record)
        shown = {name: without_credentials(value) for name, value in told.items()}
        sys.stderr.write(json.dumps(shown, default=json_value) + "\n")


class Logs:
    """Where a command's lines go while it runs: plain at first."""

    def __init__(self) -> None:
        self.format = LogFormat.TEXT
        self._handler: logging.Handler = PlainLines()
        self._loggers = [LOGGER]
        """Those that the handler was added to."""
        self._replaced: list[logging.Handler] = []
        """What dlt's logger had before."""

    def __enter__(self) -> Self:
        LOGGER.setLevel(logging.INFO)
        LOGGER.propagate = False
        LOGGER.addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        logging.captureWarnings(False)
        for logger in self._loggers:
            logger.removeHandler(self._handler)
        for handler in self._replaced:
            DLT_LOGGER.addHandler(handler)

    def use(self, log_format: LogFormat) -> None:
        """Change over; as JSON, dlt's records, other libraries' and warnings are told, too."""
        if log_format == self.format:
            return
        self.__exit__()
        self.format, self._handler = log_format, PlainLines()
        self._loggers, self._replaced = [LOGGER], []
        if log_format == LogFormat.JSON:
            self._handler = JsonLines()
            self._loggers += [logging.getLogger(), DLT_LOGGER]
            self._replaced = DLT_LOGGER.handlers[:]
            DLT_LOGGER.handlers.clear()
            logging.captureWarnings(True)
        for logger in self._loggers:
            logger.addHandler(self._handler)


def tell(
    event: str, message: str = "", level: int = logging.INFO, *, trace: bool = False, **fields: Any
) -> None:
    """Tell of an event; the message is for people, the fields are for machines."""
    LOGGER.log(
        level, "%s", message, extra={"event": event, "fields": fields}, exc_info=trace or None
    )


def tell_error(message: str, *, trace: bool = False, **fields: Any) -> None:
    """Tell what a command fails with."""
    tell(ERROR, message, logging.ERROR, trace=trace, **fields)


def json_value(value: Any) -> Any:
    """What JSON lacks: times and dates in ISO 8601, other values as text."""
    return value.isoformat() if isinstance(value, date) else str(value)
