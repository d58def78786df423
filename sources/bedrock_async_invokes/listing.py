"""The rows of one window of one scope: a chain of pages, filtered exactly in the client."""

import random
import threading
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from botocore.exceptions import ClientError, HTTPClientError, ReadTimeoutError
from botocore.exceptions import ConnectionError as NoConnectionError

from .client import COMPUTING, READING, Client
from .errors import BrokenPage, ForeignPage, ListingError
from .options import FailureMessages
from .pace import THROTTLING_CODES
from .pages import Page
from .records import NO_ROWS, submit_edges, submit_microseconds, to_table
from .scopes import Scope, separate
from .windows import Window

CHAIN_BYTES: Final = 8_000_000
"""Size of a window's rows at which it is cut, even if it has fewer pages than planned."""
TIED_BYTES: Final = 50_000_000
"""Limit of rows that tie, between which no window can be cut: 100,000 in a microsecond."""
RESUMES_WITHOUT_HEADWAY: Final = 6
"""Times that a window is resumed without a new row before its scope fails."""
EMPTY_PAGES: Final = 1_000
"""Pages in a row without a row before the listing counts as endless."""


@dataclass(frozen=True)
class Reading:
    """Rows of a window, ascending by submitTime, no ARN twice."""

    window: Window
    """The part that was read whole."""
    table: pa.Table
    unread: Window | None = None
    """The rest, if reading stopped at its limit of pages."""
    is_scrub: bool = False
    """True if it is compared with the destination."""


class Chain:
    """The rows of one window as its pages come in."""

    def __init__(self, window: Window, newest_first: bool) -> None:
        self.window = window
        self.newest_first = newest_first
        self.has_token = False
        self.pages = 0
        self.size = 0
        """In bytes."""
        self.arns: set[str] = set()
        self._tables = [NO_ROWS]
        self._is_sorted = True
        self._first: int | None = None
        self._last: int | None = None

    @property
    def rest(self) -> Window:
        """The unread part, with the rows that tie with the last one read."""
        if self._last is None or not self._is_sorted:
            return self.window
        if self.newest_first:
            return Window(self.window.start, self._last + 1)
        return Window(self._last, self.window.end)

    @property
    def can_stop(self) -> bool:
        """False between rows that were submitted at the same time, and after rows in disorder."""
        return self._is_sorted and self._first != self._last

    def add(self, table: pa.Table) -> bool:
        """Add a page's rows, except those outside of the window or seen before.

        Returns True if any is left. Raises `ListingError` if they are not in the requested order:
        the unread part would be unknown.
        """
        table = self._unseen(_within(table, self.window))
        if table.num_rows:
            self._append(table)
        return bool(table.num_rows)

    def check_ties(self) -> None:
        """Raise `ListingError` for endless rows between which no window can be cut."""
        if not self.can_stop and self.size > TIED_BYTES:
            raise ListingError(
                f"More than {TIED_BYTES / 1e6:g} MB of invocations have the same submitTime or "
                "none, or are not in its order: such a listing cannot be read in parts."
            )

    def _unseen(self, table: pa.Table) -> pa.Table:
        """Rows that no earlier page had; they count as seen from now on."""
        arns = table["invocation_arn"].to_pylist()
        fresh = set(arns) - self.arns
        self.arns |= fresh
        if len(fresh) == len(arns):
            return table
        is_first = []
        for arn in arns:
            is_first.append(arn in fresh)
            fresh.discard(arn)
        return table.filter(pa.array(is_first))

    def _append(self, table: pa.Table) -> None:
        self._check_order(submit_microseconds(table).drop_null())
        edges = submit_edges(table)
        first, last = reversed(edges) if self.newest_first else edges
        if last is not None:
            self._first = first if self._first is None else self._first
            self._last = last
        self._tables.append(table)
        self.pages += 1
        self.size += table.nbytes

    def _check_order(self, submitted: pa.ChunkedArray) -> None:
        if not len(submitted):
            return
        first, last = submitted[0].as_py(), submitted[-1].as_py()
        if first < last if self.newest_first else first > last:
            order = "descending" if self.newest_first else "ascending"
            raise ListingError(f"A page of the listing is not in {order} order of submitTime.")
        start = first if self._last is None else self._last
        steps = pc.min_max(pc.pairwise_diff(submitted.combine_chunks())).as_py()
        if self.newest_first:
            self._is_sorted &= first <= start and (steps["max"] or 0) <= 0
        else:
            self._is_sorted &= first >= start and (steps["min"] or 0) >= 0

    def finish(self) -> Reading:
        """The reading of the whole window."""
        table = pa.concat_tables(self._tables)
        return Reading(self.window, table.sort_by("submit_time") if self.newest_first else table)

    def stop(self) -> Reading:
        """The reading so far, without the rows that tie with the last one: more may follow."""
        unread = self.rest
        done = (
            Window(unread.end, self.window.end)
            if self.newest_first
            else Window(self.window.start, unread.start)
        )
        self._tables = [_within(table, done) for table in self._tables]
        return replace(self.finish(), window=done, unread=unread)


def _within(table: pa.Table, window: Window) -> pa.Table:
    """Rows of the window; one without a submitTime is in every window that lists it."""
    if all(edge is None or edge in window for edge in submit_edges(table)):
        return table
    submit = submit_microseconds(table)
    if window.start is not None:
        is_after = pc.fill_null(pc.greater_equal(submit, window.start), True)
        table, submit = table.filter(is_after), submit.filter(is_after)
    if window.end is not None:
        table = table.filter(pc.fill_null(pc.less(submit, window.end), True))
    return table


@dataclass(frozen=True)
class Listing:
    """ListAsyncInvokes of one scope; safe to use from several threads."""

    client: Client
    scope: Scope
    failure_messages: FailureMessages
    stopping: threading.Event

    def read(
        self, window: Window, *, newest_first: bool = False, max_pages: int | None = None
    ) -> Reading:
        """Read a window, or as much of it as fits in `max_pages` pages with rows.

        A chain of pages that breaks (an expired token, a body cut short, a fault that outlasts
        the SDK's retries) is resumed after the last row.
        """
        chain = Chain(window, newest_first)
        resumes = 0
        while True:
            rows_before = len(chain.arns)
            try:
                reading = self._follow(chain, max_pages)
            except (ClientError, HTTPClientError, NoConnectionError, BrokenPage) as error:
                resumes = 1 if len(chain.arns) > rows_before else resumes + 1
                if resumes > RESUMES_WITHOUT_HEADWAY or not self._can_resume(error, chain):
                    raise
            else:
                self.client.count(rows_read=reading.table.num_rows)
                return reading
            self.stopping.wait(random.uniform(0, 0.1 * 2**resumes))

    def _follow(self, chain: Chain, max_pages: int | None) -> Reading:
        chain.has_token = False
        empty_pages = 0
        tokens: set[int] = set()
        for page in self.client.pages(chain.rest, newest_first=chain.newest_first):
            if self.stopping.is_set():
                raise ListingError("Stopped before the end of the listing.")
            chain.has_token = True
            self.client.count(pages=1)
            with READING, COMPUTING:
                has_rows = chain.add(self._to_table(page["asyncInvokeSummaries"]))
            empty_pages = 0 if has_rows else empty_pages + 1
            if empty_pages > EMPTY_PAGES:
                raise ListingError(f"{EMPTY_PAGES} pages without a row, one after the other.")
            token = page.get("nextToken")
            if token and hash(token) in tokens:
                raise ListingError("The same nextToken came twice: the listing goes in circles.")
            tokens.add(hash(token))
            is_long = max_pages and (chain.pages >= max_pages or chain.size >= CHAIN_BYTES)
            if is_long and chain.can_stop and token:
                return chain.stop()
            chain.check_ties()
        return chain.finish()

    def _to_table(self, page: Page) -> pa.Table:
        """The page's rows, with some of other scopes; raises `ForeignPage` if it has no others.

        The run removes foreign rows: the chain needs them to know how far it has read.
        """
        table = to_table(page, self.client.clock.now(), self.failure_messages)
        own, foreign = separate(table, self.scope)
        if foreign.rows and not own.num_rows:
            raise ForeignPage(
                f"{foreign.reason} All of its page is foreign: these credentials belong to another "
                "account or region. Check the role and the endpoint.",
                foreign.rows,
                foreign.reason,
            )
        return table

    def _can_resume(self, error: Exception, chain: Chain) -> bool:
        if self.stopping.is_set() or self.client.pace.is_given_up:
            return False
        if isinstance(error, ClientError):
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            is_transient = status >= 500 or status == 429 or code in THROTTLING_CODES
            has_expired = chain.has_token and status == 400
            return is_transient or has_expired
        is_silent = isinstance(error, NoConnectionError | ReadTimeoutError)
        return self.client.report.pages > 0 or not is_silent
