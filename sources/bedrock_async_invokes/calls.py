"""Calls of ListAsyncInvokes as they go over the wire: counted, parsed, judged."""

import json
import threading
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from botocore.client import BaseClient
from botocore.exceptions import ClientError

OPERATION: Final = "bedrock-runtime.ListAsyncInvokes"
THROTTLING_CODES: Final = frozenset(
    {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}
)


class ListingError(RuntimeError):
    """The listing did not behave: an endless chain of pages, or rows of another scope."""


class BrokenPage(ListingError):
    """A page that is not the JSON it says it is, such as a body that was cut short."""


@dataclass
class Tally:
    """What reading a scope cost; shared by the threads that read it."""

    calls: int = 0
    throttled: int = 0
    pages: int = 0
    rows_read: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def watch(self, client: BaseClient) -> None:
        """Count every try that goes over the wire, those that botocore repeats among them."""
        client.meta.events.register(f"before-send.{OPERATION}", self._count_call)
        client.meta.events.register(f"response-received.{OPERATION}", self._count_throttled)

    def add(
        self, *, calls: int = 0, throttled: int = 0, pages: int = 0, rows_read: int = 0
    ) -> None:
        with self._lock:
            self.calls += calls
            self.throttled += throttled
            self.pages += pages
            self.rows_read += rows_read

    def _count_call(self, **_: Any) -> None:
        self.add(calls=1)

    def _count_throttled(self, parsed_response: dict[str, Any] | None, **_: Any) -> None:
        code = (parsed_response or {}).get("Error", {}).get("Code")
        self.add(throttled=int(code in THROTTLING_CODES))


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
    price, and drops the members that it does not know. Errors stay with botocore.
    """
    if response_dict["status_code"] != 200:
        return
    try:
        page = _loads(response_dict["body"])
    except ValueError as error:
        raise BrokenPage(f"A page of the listing is not JSON: {error}.") from None
    summaries = page.get("asyncInvokeSummaries", []) if isinstance(page, dict) else None
    if not isinstance(summaries, list) or not all(isinstance(each, dict) for each in summaries):
        raise BrokenPage("A page of the listing is not a list of invocations.")
    customized_response_dict["asyncInvokeSummaries"] = summaries
    customized_response_dict["nextToken"] = page.get("nextToken")
    response_dict["body"] = b"{}"


def _loads(body: bytes) -> Any:
    """Parse a page; half a surrogate pair, where a message was cut, becomes a replacement mark."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        text = json.dumps(json.loads(body), ensure_ascii=False)
        return orjson.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


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
