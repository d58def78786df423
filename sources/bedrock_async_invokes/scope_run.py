"""One run of one scope: what is read of it, what of that changed, and what it cost."""

import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError

from .calls import Tally
from .chain import Reading
from .errors import ForeignPage, ListingError, ScopeError, UnreadableInvocation
from .instants import to_microseconds, to_time
from .listing import Listing
from .pace import Pace
from .pool import ReadingPool, Task
from .progress import Progress, Stored
from .quarantine import Quarantine, divided
from .reader import Piece, ScopeReader
from .reports import Observer, ScopeReport, describe
from .scopes import Account, Scope
from .service_clock import ServiceClock
from .settings import CLOCKS_APART_US, FailureMessages
from .turns import TURNS
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
    """Reads one scope in threads of the pool; its rows are taken in by `tables`."""

    def __init__(
        self,
        account: Account,
        region: str,
        options: RunOptions,
        stored_progress: Callable[[str], Mapping[str, Any]],
        stopping: threading.Event,
    ) -> None:
        self.scope = Scope(account.claimed_id, region)
        self.report = ScopeReport(
            options.run_id, self.scope.account_id, region, started_at=datetime.now(UTC)
        )
        self.progress = Progress(options.lag_us)
        self.vanished: list[tuple[str, datetime]] = []
        """ARN and time of open invocations that are listed no more, until progress is saved."""
        self._account = account
        self._options = options
        self._stored_progress = stored_progress
        self._stopping = stopping
        self._clock = ServiceClock()
        self._tally = Tally(self.report)
        self._plan = Plan((), Window(), None)
        self._moves_watermark = False
        self._stored: Stored | None = None
        self._is_started = False
        self._is_entered = False
        self._listing: Listing | None = None
        self._reader: ScopeReader | None = None
        self._failure: Exception | None = None

    @property
    def bytes_held(self) -> int:
        return self._reader.bytes_held if self._reader else 0

    @property
    def is_ready(self) -> bool:
        return bool(self._failure) or bool(self._reader and self._reader.is_ready)

    def pick(self, *, has_room: bool) -> Task | None:
        """The next call to make: what finds the scope's progress first, then its windows."""
        if not self._is_started:
            self._is_started = True
            if self._options.observer:
                self._options.observer.scope_started(self.report)
            return self._open
        if self._reader is None or self._listing is None:
            return None
        if self._reader.under_way >= self._listing.pace.useful_calls:
            return None
        piece = self._reader.pick(has_room=has_room)
        return partial(self._read, self._listing, self._reader, piece) if piece else None

    def give(self) -> Reading | None:
        """The next window that was read; raises what the scope failed with."""
        if self._failure:
            raise self._failure
        assert self._reader is not None
        return self._reader.give()

    def _open(self) -> Callable[[], None]:
        try:
            return partial(self._start_reading, self._find_listing())
        except Exception as error:
            return partial(self._fail, error)

    def _start_reading(self, listing: Listing) -> None:
        options = self._options
        self.report.account_id = self.scope.account_id
        self.progress = Progress.from_state(self._stored_progress(str(self.scope)), options.lag_us)
        self._plan = (
            self.progress.plan(options.window.end)
            if options.window.start is None
            else Plan((), options.window, None)
        )
        self._listing = listing
        self._reader = ScopeReader(self._plan, options.concurrency)
        self._is_entered = True
        self._moves_watermark = self._is_without_gap()
        # Progress knows the rows of an ordinary increment, the destination any others.
        is_increment = self._plan.settled_before is not None and self._moves_watermark
        if not is_increment or self.progress.is_patchy:
            self._stored = options.stored

    def _is_without_gap(self) -> bool:
        """A range moves the watermark if it leaves out nothing that may still become visible."""
        start, settled_before = self._plan.forward.start, self.progress.settled_before
        return start is None or (settled_before is not None and start <= settled_before)

    def _fail(self, error: Exception) -> None:
        self._failure = error

    def _find_listing(self) -> Listing:
        """The scope's listing; where nothing else tells the account, its newest page does."""
        try:
            client = self._account.client(self.scope.region)
        except ValueError as error:
            raise ScopeError(f"The endpoint cannot be used: {error}") from error
        pace = Pace(self._stopping)
        for watcher in (self._tally, self._clock, pace):
            watcher.watch(client)
        self.scope = Scope(self._account.account_id, self.scope.region)
        listing = partial(
            Listing,
            client,
            tally=self._tally,
            clock=self._clock,
            pace=pace,
            failure_messages=self._options.failure_messages,
            stopping=self._stopping,
        )
        if not self.scope.is_known:
            newest = listing(self.scope).read(Window(), newest_first=True, max_pages=1)
            self.scope = Scope(_only_account(newest.table, self.scope), self.scope.region)
        return listing(self.scope)

    def _read(self, listing: Listing, reader: ScopeReader, piece: Piece) -> Callable[[], None]:
        try:
            outcome: Reading | Exception = listing.read(
                piece.window, newest_first=piece.newest_first, max_pages=piece.max_pages
            )
        except Exception as error:
            outcome = error
        return partial(reader.take, piece, outcome)

    def tables(self, pool: ReadingPool) -> Iterator[pa.Table]:
        """What is new or changed, in order; a failure ends it and is left to the report.

        The watermark then stays at the end of what was read without a gap.
        """
        try:
            while (reading := pool.give()) is not None:
                with TURNS.first():
                    table = self._take_in(reading)
                yield table
                self._observe()
            if self._moves_watermark and self._plan.forward.end is None:
                self.progress.finish()
        except SCOPE_ERRORS as error:
            if isinstance(error, ForeignPage):
                self._keep_out(Quarantine(error.rows, error.reason))
            self._end("failed", describe(error))
        else:
            self._end("ok")
        self._let_go()

    def _let_go(self) -> None:
        """A thousand scopes are a thousand clients: their connections close with each scope."""
        if self._listing:
            self._listing.close()
        self._listing = self._reader = None

    def save_progress(self, state: MutableMapping[str, Any]) -> None:
        """Bring `state` up to date; a scope that was not entered keeps what it has there."""
        if self._is_entered and self.scope.is_known:
            state[str(self.scope)] = self.progress.to_state()

    def _take_in(self, reading: Reading) -> pa.Table:
        """What of a reading is new or changed; rows of other scopes go no further than here."""
        self.progress.present_us = to_microseconds(self._clock.now()) + CLOCKS_APART_US
        table, foreign = divided(reading.table, self.scope)
        self._keep_out(foreign)
        if self._moves_watermark:
            self.progress.advance(table)
        else:
            self.progress.has_islands = True
        changes = self.progress.changes(
            reading.window, table, self._plan.settled_before, self._stored
        )
        self.report.rows_new += changes.new
        self.report.rows_changed += changes.changed
        self.report.vanished += len(changes.vanished)
        self.vanished += [(arn, self._clock.now()) for arn in changes.vanished]
        return changes.table

    def _keep_out(self, foreign: Quarantine) -> None:
        kept_out = Quarantine(self.report.quarantined, self.report.quarantine_reason) + foreign
        self.report.quarantined, self.report.quarantine_reason = kept_out.rows, kept_out.reason

    def _observe(self) -> None:
        report, through = self.report, self.progress.submitted_through
        report.open_invocations = self.progress.open_invocations
        report.submitted_through = None if through is None else to_time(through)
        if self._options.observer:
            share = 1.0 if report.outcome or not self._reader else self._reader.share_read
            self._options.observer.scope_read(report, share)

    def _end(self, outcome: Literal["ok", "failed"], error: str | None = None) -> None:
        self._tally.close()
        self.report.outcome, self.report.error = outcome, error
        self.report.started_at = self._clock.at(self.report.started_at)
        self.report.finished_at = self._clock.now()
        self._observe()


def _only_account(table: pa.Table, scope: Scope) -> str:
    """The account that the rows of a region have, where nothing else tells whose they are."""
    own, _ = divided(table, scope)
    accounts = own["account_id"].drop_null().unique().to_pylist()
    if len(accounts) > 1:
        raise ScopeError(
            f"The listing of {scope} has invocations of several accounts ({', '.join(accounts)}), "
            "and the credentials do not tell which is theirs. Use some for which "
            "`aws sts get-caller-identity` works."
        )
    return accounts[0] if accounts else scope.account_id
