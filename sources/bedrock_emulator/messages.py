"""HTTP requests, responses and errors, apart from any socket."""

from dataclasses import dataclass, field
from email.message import Message


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose body was read; ``path`` and ``query`` are still percent-encoded."""

    method: str
    path: str
    query: str
    headers: Message
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """A response."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    """Those beside Content-Type, which is JSON unless it is here, and the body's length."""
    is_cut: bool = False
    """Send half of the body, then close the connection."""


class ServiceError(Exception):
    """An error of the service in AWS's terms: its code, its message, its HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class ConnectionReset(Exception):
    """The connection is to be reset instead of a response."""


def validation_error(message: str) -> ServiceError:
    """A ValidationException."""
    return ServiceError("ValidationException", message)
