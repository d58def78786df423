"""Read one window of one scope: the SDK's paginator, raw pages, an exact filter in the client."""

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from botocore.client import BaseClient
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from .instants import to_time
from .records import SCHEMA, Summary, submit_microseconds, to_table
from .scopes import Scope
from .settings import (
    EMPTY_PAGES,
    PAGE_SIZE,
    REQUEST_MARGIN_US,
    RESUMES_WITHOUT_HEADWAY,
    FailureMessages,
)
from .windows import Window

OPERATION: Final = "bedrock-runtime.ListAsyncInvokes"
TOKEN_REFUSED: Final = "ValidationException"
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


@dataclass(frozen=True)
class Reading:
    """Rows of a window, ascending by submitTime, no ARN twice."""

    window: Window
    """What was read whole."""
    table: pa.Table
    unread: Window | None
    """What is left, where reading stopped at its limit of pages."""


class Listing:
    """ListAsyncInvokes of one scope; safe to use from several threads."""

    def __init__(
        self,
        client: BaseClient,
        scope: Scope,
        tally: Tally,
        failure_messages: FailureMessages,
        stopping: threading.Event,
    ) -> None:
        self.tally = tally
        self._scope = scope
        self._paginator = client.get_paginator("list_async_invokes")
        self._failure_messages = failure_messages
        self._stopping = stopping
        # Registered twice, it would take the body that it emptied for an empty page.
        client.meta.events.register(
            f"before-parse.{OPERATION}", parse_page, unique_id="bedrock-async-invokes-parse-page"
        )

    def read(
        self, window: Window, *, newest_first: bool = False, max_pages: int | None = None
    ) -> Reading:
        """Read a window, or the part of it that `max_pages` pages with rows give.

        A chain of pages that breaks (a token that expired, a body cut short, a fault that outlasts
        the SDK's retries) is taken up again where it got to.
        """
        chain = _Chain(window, newest_first)
        resumes = 0
        while True:
            rows_before = len(chain.arns)
            try:
                return self._follow(chain, max_pages)
            except (ClientError, HTTPClientError, NoConnectionError, BrokenPage) as error:
                resumes = 1 if len(chain.arns) > rows_before else resumes + 1
                if resumes > RESUMES_WITHOUT_HEADWAY or not self._can_resume(error, chain):
                    raise
            self._stopping.wait(random.uniform(0, 0.1 * 2**resumes))

    def _follow(self, chain: "_Chain", max_pages: int | None) -> Reading:
        chain.has_token = False
        empty_pages = 0
        for page in self._pages(chain.rest, chain.newest_first):
            if self._stopping.is_set():
                raise ListingError("Stopped before the end of the listing.")
            chain.has_token = True
            self.tally.add(pages=1)
            summaries = chain.unseen(page["asyncInvokeSummaries"])
            empty_pages = 0 if summaries else empty_pages + 1
            if empty_pages > EMPTY_PAGES:
                raise ListingError(f"{EMPTY_PAGES} pages without a row, one after the other.")
            if summaries:
                chain.add(self._to_table(summaries))
            has_more = page.get("nextToken") is not None
            if max_pages and chain.pages >= max_pages and chain.can_stop and has_more:
                return self._counted(chain.stopped())
        return self._counted(chain.whole())

    def _pages(self, window: Window, newest_first: bool) -> Iterator[dict[str, Any]]:
        bounds = {}
        if window.start is not None:
            bounds["submitTimeAfter"] = to_time(window.start - REQUEST_MARGIN_US)
        if window.end is not None:
            bounds["submitTimeBefore"] = to_time(window.end + REQUEST_MARGIN_US)
        pages: Iterator[dict[str, Any]] = iter(
            self._paginator.paginate(
                sortBy="SubmissionTime",
                sortOrder="Descending" if newest_first else "Ascending",
                PaginationConfig={"PageSize": PAGE_SIZE},
                **bounds,
            )
        )
        return pages

    def _to_table(self, summaries: list[Summary]) -> pa.Table:
        table = to_table(summaries, datetime.now(UTC), self._failure_messages)
        expected_parts = {"region": self._scope.region}
        if self._scope.is_known:
            expected_parts["account_id"] = self._scope.account_id
        for column, expected in expected_parts.items():
            is_foreign = pc.fill_null(pc.not_equal(table[column], expected), False)
            if pc.any(is_foreign).as_py():
                arn = table.filter(is_foreign)["invocation_arn"][0]
                raise ListingError(
                    f"The listing of {self._scope} has {arn}: these credentials belong to another "
                    "account or region. Check the role and the endpoint."
                )
        return table

    def _counted(self, reading: Reading) -> Reading:
        self.tally.add(rows_read=reading.table.num_rows)
        return reading

    def _can_resume(self, error: Exception, chain: "_Chain") -> bool:
        if self._stopping.is_set():
            return False
        if isinstance(error, ClientError):
            return _is_transient(error) or (chain.has_token and _code(error) == TOKEN_REFUSED)
        nothing_answers = isinstance(error, NoConnectionError) and not self.tally.pages
        return not nothing_answers


class _Chain:
    """The rows of one window as its pages come in."""

    def __init__(self, window: Window, newest_first: bool) -> None:
        self.window = window
        self.newest_first = newest_first
        self.has_token = False
        self.pages = 0
        self.arns: set[str] = set()
        self._tables = [SCHEMA.empty_table()]
        self._first: int | None = None
        self._last: int | None = None

    @property
    def rest(self) -> Window:
        """What is left to read, with the rows that tie with the last one read."""
        if self._last is None:
            return self.window
        if self.newest_first:
            return Window(self.window.start, self._last + 1)
        return Window(self._last, self.window.end)

    @property
    def can_stop(self) -> bool:
        """A chain cannot end between rows that were submitted at the same time."""
        return self._first != self._last

    def unseen(self, summaries: list[Summary]) -> list[Summary]:
        """Summaries that no page before this one had; they are seen from now on."""
        unseen: dict[str, Summary] = {}
        for summary in summaries:
            arn = str(summary.get("invocationArn"))
            if arn not in self.arns:
                unseen.setdefault(arn, summary)
        self.arns.update(unseen)
        return list(unseen.values())

    def add(self, table: pa.Table) -> None:
        table = _within(table, self.window)
        edges = pc.min_max(submit_microseconds(table)).as_py()
        first, last = ("max", "min") if self.newest_first else ("min", "max")
        if edges["min"] is not None:
            self._first = edges[first] if self._first is None else self._first
            self._last = edges[last]
        self._tables.append(table)
        self.pages += 1

    def whole(self) -> Reading:
        return Reading(self.window, self._table(), None)

    def stopped(self) -> Reading:
        """Leave out the rows that tie with the last one, since more of them may follow."""
        unread = self.rest
        done = (
            Window(unread.end, self.window.end)
            if self.newest_first
            else Window(self.window.start, unread.start)
        )
        return Reading(done, _within(self._table(), done), unread)

    def _table(self) -> pa.Table:
        table = pa.concat_tables(self._tables)
        return table.sort_by("submit_time") if self.newest_first else table


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
        page = orjson.loads(response_dict["body"])
    except orjson.JSONDecodeError as error:
        raise BrokenPage(f"A page of the listing is not JSON: {error}.") from None
    if not isinstance(page, dict) or not isinstance(page.get("asyncInvokeSummaries", []), list):
        raise BrokenPage("A page of the listing is not a list of invocations.")
    customized_response_dict["asyncInvokeSummaries"] = page.get("asyncInvokeSummaries", [])
    customized_response_dict["nextToken"] = page.get("nextToken")
    response_dict["body"] = b"{}"


def _within(table: pa.Table, window: Window) -> pa.Table:
    """Rows of the window; one without a submitTime is in every window that lists it."""
    if window.start is not None:
        is_after = pc.greater_equal(submit_microseconds(table), window.start)
        table = table.filter(pc.fill_null(is_after, True))
    if window.end is not None:
        is_before = pc.less(submit_microseconds(table), window.end)
        table = table.filter(pc.fill_null(is_before, True))
    return table


def _code(error: ClientError) -> str:
    code: str = error.response.get("Error", {}).get("Code", "")
    return code


def _is_transient(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or status == 429 or _code(error) in THROTTLING_CODES
