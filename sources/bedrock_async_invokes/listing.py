"""Read one window of one scope: the SDK's paginator, raw pages, an exact filter in the client."""

import random
import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from botocore.client import BaseClient
from botocore.exceptions import ClientError, HTTPClientError, ReadTimeoutError
from botocore.exceptions import ConnectionError as NoConnectionError

from .answers import bound_answers
from .calls import Tally, is_refusal_of_parameters, is_transient, parse_pages_raw
from .chain import Chain, Reading
from .errors import BrokenPage, ForeignPage, ListingError
from .instants import EARLIEST_US, LATEST_US, to_time
from .pace import Pace
from .pages import Page
from .quarantine import divided
from .records import to_table
from .scopes import Scope
from .service_clock import ServiceClock
from .settings import (
    CHAIN_BYTES,
    EMPTY_PAGES,
    PAGE_SIZE,
    REQUEST_MARGIN_US,
    RESUMES_WITHOUT_HEADWAY,
    FailureMessages,
)
from .turns import TURNS
from .windows import Window


class Listing:
    """ListAsyncInvokes of one scope; safe to use from several threads."""

    def __init__(
        self,
        client: BaseClient,
        scope: Scope,
        tally: Tally,
        clock: ServiceClock,
        pace: Pace,
        failure_messages: FailureMessages,
        stopping: threading.Event,
    ) -> None:
        self.tally = tally
        self.pace = pace
        self.close = client.close
        self._scope = scope
        self._clock = clock
        self._paginator = client.get_paginator("list_async_invokes")
        self._failure_messages = failure_messages
        self._stopping = stopping
        bound_answers(client)
        parse_pages_raw(client)

    def read(
        self, window: Window, *, newest_first: bool = False, max_pages: int | None = None
    ) -> Reading:
        """Read a window, or the part of it that `max_pages` pages with rows give.

        A chain of pages that breaks (a token that expired, a body cut short, a fault that outlasts
        the SDK's retries) is taken up again where it got to.
        """
        chain = Chain(window, newest_first)
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

    def _follow(self, chain: Chain, max_pages: int | None) -> Reading:
        chain.has_token = False
        empty_pages = 0
        tokens: set[int] = set()
        for page in self._pages(chain.rest, chain.newest_first):
            if self._stopping.is_set():
                raise ListingError("Stopped before the end of the listing.")
            chain.has_token = True
            self.tally.add(pages=1)
            with TURNS.reader():
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
                return self._counted(chain.stopped())
            chain.check_ties()
        return self._counted(chain.whole())

    def _pages(self, window: Window, newest_first: bool) -> Iterator[dict[str, Any]]:
        bounds = {}
        if window.start is not None:
            bounds["submitTimeAfter"] = to_time(max(window.start - REQUEST_MARGIN_US, EARLIEST_US))
        if window.end is not None:
            bounds["submitTimeBefore"] = to_time(min(window.end + REQUEST_MARGIN_US, LATEST_US))
        pages: Iterator[dict[str, Any]] = iter(
            self._paginator.paginate(
                sortBy="SubmissionTime",
                sortOrder="Descending" if newest_first else "Ascending",
                PaginationConfig={"PageSize": PAGE_SIZE},
                **bounds,
            )
        )
        return pages

    def _to_table(self, page: Page) -> pa.Table:
        """The page's rows, those of other scopes among them, unless there are no others.

        Some are left to whoever takes in what was read: a chain has to know where it got to.
        """
        table = to_table(page, self._clock.now(), self._failure_messages)
        own, foreign = divided(table, self._scope)
        if foreign.rows and not own.num_rows:
            raise ForeignPage(
                f"{foreign.reason} All of its page is foreign: these credentials belong to another "
                "account or region. Check the role and the endpoint.",
                foreign.rows,
                foreign.reason,
            )
        return table

    def _counted(self, reading: Reading) -> Reading:
        self.tally.add(rows_read=reading.table.num_rows)
        return reading

    def _can_resume(self, error: Exception, chain: Chain) -> bool:
        if self._stopping.is_set() or self.pace.is_given_up:
            return False
        if isinstance(error, ClientError):
            return is_transient(error) or (chain.has_token and is_refusal_of_parameters(error))
        is_silent = isinstance(error, NoConnectionError | ReadTimeoutError)
        return self.tally.report.pages > 0 or not is_silent
