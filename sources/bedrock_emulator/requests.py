"""HTTP requests and answers, apart from any socket."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Headers(Protocol):
    """Headers, looked up by name in any case."""

    def get(self, name: str, /) -> str | None:
        """The value of a header, or None."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose body was read; ``path`` and ``query`` are still percent-encoded."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back; a body that is not bytes is sent in chunks as it comes."""

    body: bytes | Iterable[bytes]
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    is_cut: bool = False
    """Send half of the body, then close the connection."""
