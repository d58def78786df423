"""Calls of ListAsyncInvokes as they go over the wire: counted, parsed, judged."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from .errors import ListingError
from .pages import read_page
from .reports import ScopeReport
from .turns import TURNS

OPERATION: Final = "bedrock-runtime.ListAsyncInvokes"
THROTTLING_CODES: Final = frozenset(
    {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}
)

ERROR_BYTES: Final = 500
"""What is told of an error that is not JSON."""


@dataclass
class Tally:
    """Counts into a scope's report what reading it costs; shared by the threads that read it."""

    report: ScopeReport
    _is_closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def watch(self, client: BaseClient) -> None:
        """Count every try that goes over the wire, those that botocore repeats among them."""
        client.meta.events.register(f"before-send.{OPERATION}", self._count_call)
        client.meta.events.register(f"response-received.{OPERATION}", self._count_throttled)

    def add(
        self, *, calls: int = 0, throttled: int = 0, pages: int = 0, rows_read: int = 0
    ) -> None:
        with self._lock:
            if self._is_closed:
                return
            self.report.calls += calls
            self.report.throttled += throttled
            self.report.pages += pages
            self.report.rows_read += rows_read

    def close(self) -> None:
        """The report is final: calls under way are not counted any more."""
        with self._lock:
            self._is_closed = True

    def _count_call(self, **_: Any) -> None:
        self.add(calls=1)

    def _count_throttled(self, parsed_response: dict[str, Any] | None, **_: Any) -> None:
        self.add(throttled=int(is_throttled(parsed_response)))


def parse_pages_raw(client: BaseClient) -> None:
    """Let a client's pages be parsed by `parse_page`.

    Registered twice, that would take the body that it emptied for an empty page.
    """
    client.meta.events.register(
        f"before-parse.{OPERATION}", parse_page, unique_id="bedrock-async-invokes-parse-page"
    )


def parse_page(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Put the raw page beside what botocore parses, and leave botocore nothing to parse.

    Its parser spends most of a page's time on timestamps, which Arrow casts at a hundredth of the
    price, and drops the members that it does not know. Errors stay with botocore. Raises
    `ListingError` for an answer that is neither a page nor an error.
    """
    status = response_dict["status_code"]
    if 400 <= status < 600:
        response_dict["body"] = _plain_error(response_dict["body"])
        return
    if status != 200:
        raise ListingError(
            f"ListAsyncInvokes was answered with HTTP status {status} instead of a page. Check the "
            "endpoint, and any proxy on the way."
        )
    with TURNS.reader():
        page = read_page(response_dict["body"])
    customized_response_dict["asyncInvokeSummaries"] = page
    customized_response_dict["nextToken"] = page.next_token
    response_dict["body"] = b"{}"


def _plain_error(body: bytes) -> bytes:
    """An error's members that are text: botocore takes it for granted that all of them are."""
    try:
        error = orjson.loads(body)
    except ValueError:
        error = None
    members = error if isinstance(error, dict) else {}
    texts = {name: text for name, text in members.items() if isinstance(text, str)}
    return orjson.dumps(texts or {"message": body[:ERROR_BYTES].decode(errors="replace")})


def is_throttled(parsed_response: Mapping[str, Any] | None) -> bool:
    """Whether the service refused a call because there were too many."""
    return (parsed_response or {}).get("Error", {}).get("Code") in THROTTLING_CODES


def is_transient(error: ClientError) -> bool:
    """Whether the same call may succeed later."""
    code = error.response.get("Error", {}).get("Code", "")
    return _status(error) >= 500 or _status(error) == 429 or code in THROTTLING_CODES


def is_refusal_of_parameters(error: ClientError) -> bool:
    """Whether the service took offence at what it was asked, such as a token that expired."""
    return _status(error) == 400


def _status(error: ClientError) -> int:
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status
