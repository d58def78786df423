"""One run of one scope: what is read of it, what of that changed, and what it cost."""

import threading
from collections.abc import Iterator, Mapping, MutableMapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError

from .calls import Tally
from .chain import Reading
from .errors import ListingError, ScopeError, UnreadableInvocation
from .instants import to_time
from .listing import Listing
from .progress import Progress, Stored
from .reader import ScopeReader
from .reports import Observer, ScopeReport, describe
from .scopes import Account, Scope
from .service_clock import ServiceClock
from .settings import FailureMessages
from .windows import Plan, Window

SCOPE_ERRORS = (BotoCoreError, ClientError, ListingError, ScopeError, UnreadableInvocation)
"""What fails one scope and leaves the others alone."""


@dataclass(frozen=True)
class RunOptions:
    """What all scopes of a run share."""

    run_id: str
    window: Window
    """The range asked for; without a start, what is new or open before its end is read."""
    lag_us: int
    concurrency: int
    failure_messages: FailureMessages
    stored: Stored | None
    observer: Observer | None


class ScopeRun:
    """Reads one scope; its calls start with `open`, its rows are taken in by `tables`."""

    def __init__(self, account: Account, region: str, options: RunOptions) -> None:
        self.scope = Scope(account.claimed_id, region)
        self.report = ScopeReport(
            options.run_id, self.scope.account_id, region, started_at=datetime.now(UTC)
        )
        self._clock = ServiceClock()
        self.progress = Progress(options.lag_us)
        self.vanished: list[tuple[str, datetime]] = []
        """ARN and time of open invocations that are listed no more, until they are loaded."""
        self._account = account
        self._options = options
        self._tally = Tally()
        self._reader: ScopeReader | None = None
        self._plan = Plan((), Window(), None)
        self._failure: Exception | None = None

    def open(self, state: Mapping[str, Any], pool: Executor, stopping: threading.Event) -> None:
        """Find the scope's progress in `state` and ask for its first windows.

        What fails is raised when the scope's turn comes, in `tables`.
        """
        try:
            listing = self._listing(stopping)
        except SCOPE_ERRORS as error:
            self._failure = error
            return
        self.report.account_id = self.scope.account_id
        options = self._options
        self.progress = Progress.from_state(state.get(str(self.scope), {}), options.lag_us)
        self._plan = (
            self.progress.plan(options.window.end)
            if options.window.start is None
            else Plan((), options.window, None)
        )
        self._reader = ScopeReader(listing, self._plan, pool, options.concurrency)

    def _listing(self, stopping: threading.Event) -> Listing:
        """The scope's listing; where nothing else tells the account, its newest page does."""
        try:
            client = self._account.client(self.scope.region)
        except ValueError as error:
            raise ScopeError(f"The endpoint cannot be used: {error}") from error
        self._tally.watch(client)
        self._clock.watch(client)
        messages = self._options.failure_messages
        self.scope = Scope(self._account.account_id, self.scope.region)
        listing = Listing(client, self.scope, self._tally, self._clock, messages, stopping)
        if self.scope.is_known:
            return listing
        newest = listing.read(Window(), newest_first=True, max_pages=1)
        accounts = newest.table["account_id"].drop_null().unique().to_pylist()
        if accounts:
            self.scope = Scope(accounts[0], self.scope.region)
        return Listing(client, self.scope, self._tally, self._clock, messages, stopping)

    def tables(self) -> Iterator[pa.Table]:
        """What is new or changed, in order; a failure ends it and is left to the report.

        The watermark then stays at the end of what was read without a gap.
        """
        try:
            if self._failure:
                raise self._failure
            assert self._reader is not None
            moves_watermark = self._moves_watermark()
            stored = self._stored(moves_watermark)
            for reading in self._reader.readings():
                if moves_watermark:
                    self.progress.advance(reading.table)
                else:
                    self.progress.has_islands = True
                yield self._changes(reading, stored)
                self._observe()
            if moves_watermark and self._plan.forward.end is None:
                self.progress.finish()
        except SCOPE_ERRORS as error:
            self._end("failed", describe(error))
        else:
            self._end("ok")

    def save_progress(self, state: MutableMapping[str, Any]) -> None:
        """Bring `state` up to date; a scope that was not entered keeps what it has there."""
        if self._reader and self.scope.is_known:
            state[str(self.scope)] = self.progress.to_state()

    def _moves_watermark(self) -> bool:
        """A range moves it only if it leaves out nothing that may still become visible."""
        start, settled_before = self._plan.forward.start, self.progress.settled_before
        return start is None or (settled_before is not None and start <= settled_before)

    def _changes(self, reading: Reading, stored: Stored | None) -> pa.Table:
        changes = self.progress.changes(
            reading.window, reading.table, self._plan.settled_before, stored
        )
        self.report.rows_new += changes.new
        self.report.rows_changed += changes.changed
        self.report.vanished += len(changes.vanished)
        self.vanished += [(arn, self._clock.now()) for arn in changes.vanished]
        return changes.table

    def _stored(self, moves_watermark: bool) -> Stored | None:
        """Progress knows the rows of an ordinary increment, the destination any others."""
        is_increment = self._plan.settled_before is not None and moves_watermark
        return None if is_increment and not self.progress.is_patchy else self._options.stored

    def _observe(self) -> None:
        report, tally, through = self.report, self._tally, self.progress.submitted_through
        report.calls, report.throttled = tally.calls, tally.throttled
        report.pages, report.rows_read = tally.pages, tally.rows_read
        report.open_invocations = self.progress.open_invocations
        report.submitted_through = None if through is None else to_time(through)
        if self._options.observer:
            share = 1.0 if report.outcome or not self._reader else self._reader.share_read
            self._options.observer.scope_read(report, share)

    def _end(self, outcome: Literal["ok", "failed"], error: str | None = None) -> None:
        self.report.outcome, self.report.error = outcome, error
        self.report.started_at = self._clock.at(self.report.started_at)
        self.report.finished_at = self._clock.now()
        self._observe()
