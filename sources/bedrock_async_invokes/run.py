"""One run: the extraction of all scopes, and the run of each scope."""

import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import metadata
from itertools import islice
from typing import Any, Final, Literal, Self

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError

from .accounts import Account
from .client import COMPUTING, Client, ServiceClock, http_session
from .columns import EXTRACT_RUNS, VANISHED_INVOKES, ScopeReport
from .errors import ForeignPage, ListingError, ScopeError, UnreadableInvocation, describe
from .listing import Listing, Reading
from .options import LoadOptions
from .progress import Progress, Stored
from .read_ahead import Call, Piece, ReadAhead, WindowQueue
from .records import NO_ROWS, submit_edges
from .scopes import Quarantine, Scope, find_scopes, only_account, separate
from .windows import Plan, Window, to_microseconds, to_time

SCOPE_ERRORS: Final = (BotoCoreError, ClientError, ListingError, ScopeError, UnreadableInvocation)
"""Errors that fail one scope and leave the others alone."""

CLOCKS_APART_US: Final = 24 * 3600 * 1_000_000
"""Largest credible lead of a submitTime over the service's clock."""

IS_DUE: Final = "is_due"
"""Column of compared rows: True where the next run loads the row anyway."""
BATCH_ROWS: Final = 50_000
BATCH_BYTES: Final = 50_000_000
"""Either limit ends a table for dlt, to which each table costs some milliseconds."""
SLICE_BYTES: Final = 150_000_000
"""Limit of one load package, which wide rows reach before their number does."""


class Observer:
    """Follows a run, for a progress bar or a log; this one does nothing."""

    def run_started(self, scopes: int) -> None:
        """The number of scopes that will be read."""

    def scope_started(self, report: ScopeReport) -> None:
        """A scope is being read: its report counts up from now on. Called by any thread."""

    def scope_read(self, report: ScopeReport, share: float) -> None:
        """A `share` of a scope, in 0..1, was processed; an outcome makes its report final."""

    def slice_read(self, rows: int) -> None:
        """New and changed rows are handed over, and loaded before there are more."""

    def slice_loaded(self, *, is_last: bool) -> None:
        """The rows handed over last are in the destination; whoever loads them calls this."""


def _version() -> str | None:
    try:
        return metadata.version("bedrock-async-etl")
    except metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class RunContext:
    """The facts that all scopes of a run share."""

    options: LoadOptions
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    stored: Stored | None = None
    """Digests of the destination's rows; without it nothing is read again."""
    elsewhere: Mapping[str, Any] = field(default_factory=dict)
    """Progress by scope that other pipelines left in the destination."""
    is_empty: bool = False
    """True if nothing is stored yet."""
    compares: bool = False
    """True if all that is listed is handed out, with `IS_DUE`, and no progress is made."""
    repairs: Mapping[str, Sequence[Window]] = field(default_factory=dict)
    """Windows by scope that are compared with the destination instead of the next in turn."""
    observer: Observer = field(default_factory=Observer)
    stopping: threading.Event = field(default_factory=threading.Event)
    version: str | None = field(default_factory=_version)

    @property
    def lag_us(self) -> int:
        return self.options.lag_seconds * 1_000_000


class ScopeRun:
    """Reads one scope in threads of the read-ahead; `tables` processes its readings in order."""

    def __init__(
        self,
        account: Account,
        region: str,
        context: RunContext,
        stored_progress: Callable[[str], Mapping[str, Any]],
    ) -> None:
        self.scope = Scope(account.claimed_id, region)
        self.report = ScopeReport(
            context.run_id,
            self.scope.account_id,
            region,
            started_at=datetime.now(UTC),
            version=context.version,
        )
        self.progress = Progress(context.lag_us)
        self.vanished: list[tuple[str, datetime]] = []
        """ARN and time of open invocations that are listed no more, until progress is saved."""
        self._account = account
        self._context = context
        self._stored_progress = stored_progress
        self._clock = ServiceClock()
        self._plan = Plan((), Window(), None)
        self._moves_watermark = False
        self._heals = False
        """True if the forward window is compared with the destination, too."""
        self._stored: Stored | None = None
        self._is_started = False
        self._is_entered = False
        self._client: Client | None = None
        self._listing: Listing | None = None
        self._queue: WindowQueue | None = None
        self._failure: Exception | None = None

    @property
    def bytes_held(self) -> int:
        return self._queue.bytes_held if self._queue else 0

    @property
    def is_ready(self) -> bool:
        return bool(self._failure) or bool(self._queue and self._queue.is_ready)

    @property
    def _gives_way(self) -> bool:
        """True where the scrub waits for the next run; a repair does not."""
        return bool(self.report.throttled) and not self._context.repairs

    def next_call(self, *, has_room: bool) -> Call | None:
        """The next call: first that which finds the scope's account, then those of its windows."""
        if not self._is_started:
            self._is_started = True
            self._context.observer.scope_started(self.report)
            return self._open
        if self._queue is None or self._listing is None:
            return None
        if self._gives_way:
            self._queue.give_up_scrub()
        if self._queue.under_way >= self._listing.client.pace.useful_calls:
            return None
        piece = self._queue.next_piece(has_room=has_room)
        return partial(self._read, self._listing, self._queue, piece) if piece else None

    def next_reading(self) -> Reading | None:
        """The next window that was read; raises the error with which the scope failed."""
        if self._failure:
            raise self._failure
        assert self._queue is not None
        return self._queue.next_reading()

    def _open(self) -> Callable[[], None]:
        try:
            return partial(self._start_reading, self._find_listing())
        except Exception as error:
            return partial(setattr, self, "_failure", error)

    def _find_listing(self) -> Listing:
        """The scope's listing; if nothing else has the account, its newest page does."""
        context, region = self._context, self.scope.region
        try:
            client = self._account.client(region)
        except ValueError as error:
            raise ScopeError(f"The endpoint cannot be used: {error}") from error
        http = http_session(client, self._account.core)
        self._client = Client(client, http, self.report, context.stopping)
        self._clock = self._client.clock
        self.scope = Scope(self._account.account_id, region)
        messages = context.options.failure_message
        listing = Listing(self._client, self.scope, messages, context.stopping)
        if not self.scope.is_known:
            newest = listing.read(Window(), newest_first=True, max_pages=1)
            self.scope = Scope(only_account(newest.table, self.scope), region)
        if not self.scope.is_known and self._account.has_credentials:
            raise ScopeError(
                f"The account is unknown: STS does not say it, and {region} lists no invocation. "
                "Use credentials for which `aws sts get-caller-identity` works."
            )
        return replace(listing, scope=self.scope)

    def _start_reading(self, listing: Listing) -> None:
        context, window = self._context, self._context.options.window
        self.report.account_id = self.scope.account_id
        self.progress = Progress.from_state(self._stored_progress(str(self.scope)), context.lag_us)
        is_increment = window.start is None and not context.compares
        self._plan = self.progress.plan(window.end) if is_increment else Plan((), window, None)
        self._listing = listing
        self._is_entered = True
        # A range moves the watermark if it leaves out nothing that may still become visible.
        start, settled_before = self._plan.forward.start, self.progress.settled_before
        self._moves_watermark = start is None or (
            settled_before is not None and start <= settled_before
        )
        self.report.is_range = not self._moves_watermark or self._plan.forward.end is not None
        # Progress knows the rows of an ordinary increment, the destination any others.
        is_increment = self._plan.settled_before is not None and self._moves_watermark
        if not context.is_empty and (not is_increment or self.progress.is_patchy):
            self._stored = context.stored
        if not self.report.is_range and context.stored:
            self._plan = self._with_scrub(self._plan)
        self._queue = WindowQueue(self._plan, context.options.concurrency)

    def _with_scrub(self, plan: Plan) -> Plan:
        """The plan with the next part of history, as far as it has not been read again yet.

        A pass begins with the rows of the forward window, which are not history yet.
        """
        calls, progress = self._context.options.scrub_calls, self.progress
        if plan.settled_before is None:
            return plan
        if repairs := self._context.repairs:
            self._heals = True
            windows = (each.before(plan.forward.start) for each in repairs.get(str(self.scope), ()))
            return replace(plan, scrub=tuple(each for each in windows if not each.is_empty))
        if not calls:
            return plan
        if Window(progress.scrubbed_through, plan.forward.start).is_empty:
            progress.scrubbed_through = None
        self._heals = progress.scrubbed_through is None
        history = Window(progress.scrubbed_through, plan.forward.start)
        return replace(plan, scrub=(history,), scrub_pages=calls)

    def _read(self, listing: Listing, queue: WindowQueue, piece: Piece) -> Callable[[], None]:
        try:
            result: Reading | Exception = listing.read(
                piece.window, newest_first=piece.newest_first, max_pages=piece.max_pages
            )
        except Exception as error:
            result = error
        if piece.is_scrub and self._gives_way:
            result = Reading(Window(piece.window.end, piece.window.end), NO_ROWS)
        return partial(queue.add_result, piece, result)

    def tables(self, read_ahead: ReadAhead) -> Iterator[pa.Table]:
        """New and changed rows, in order; a failure ends them and is in the report.

        The watermark then stays at the end of the part that was read without a gap.
        """
        try:
            while (reading := read_ahead.next_reading()) is not None:
                with COMPUTING:
                    table = self._changes(reading)
                yield table
                self._observe()
            if not self.report.is_range:
                self.progress.finish()
        except SCOPE_ERRORS as error:
            if isinstance(error, ForeignPage):
                self._quarantine(Quarantine(error.rows, error.reason))
            self._end("failed", describe(error))
        else:
            self._end("ok")

    def save_progress(self, state: MutableMapping[str, Any]) -> None:
        """Bring `state` up to date; a scope that was not entered keeps its entry."""
        if self._is_entered and self.scope.is_known:
            state[str(self.scope)] = self.progress.to_state()

    def _changes(self, reading: Reading) -> pa.Table:
        """New and changed rows of a reading, without those of other scopes."""
        self.progress.now_us = to_microseconds(self._clock.now())
        self.progress.present_us = self.progress.now_us + CLOCKS_APART_US
        table, foreign = separate(reading.table, self.scope)
        if self._context.compares:
            is_due = self.progress.is_due(table, self.progress.settled_before)
            return table.append_column(IS_DUE, is_due)
        if reading.is_scrub:
            self._note_scrub(reading)
        else:
            self._quarantine(foreign)
            if self._moves_watermark:
                self.progress.advance(table)
            else:
                self.progress.has_islands = True
        heals = reading.is_scrub or (self._heals and self._plan.is_forward(reading.window))
        changes = self.progress.changes(
            reading.window,
            table,
            self._plan.settled_before,
            self._context.stored if heals else self._stored,
            heals=heals,
        )
        report = self.report
        report.rows_new += changes.new
        report.rows_changed += changes.changed
        report.rows_healed += changes.healed.num_rows
        report.rows_late += changes.late.num_rows
        oldest, _ = submit_edges(changes.late)
        if oldest is not None:
            late_seconds = (self.progress.now_us - oldest) // 1_000_000
            report.late_seconds = max(late_seconds, report.late_seconds or 0)
        report.vanished += len(changes.vanished)
        self.vanished += [(arn, self._clock.now()) for arn in changes.vanished]
        return changes.table

    def _note_scrub(self, reading: Reading) -> None:
        """Go on after it the next time; or at the start, if it was the end of history."""
        through = reading.window.end
        assert through is not None
        if not reading.window.is_empty:
            self.report.rows_scrubbed += reading.table.num_rows
            self.report.scrubbed_through = to_time(through)
            if not self._context.repairs:
                self.progress.scrubbed_through = through if reading.unread else None

    def _quarantine(self, foreign: Quarantine) -> None:
        self.report.quarantined += foreign.rows
        self.report.quarantine_reason = self.report.quarantine_reason or foreign.reason

    def _observe(self) -> None:
        report, through = self.report, self.progress.submitted_through
        report.open_invocations = self.progress.open_invocations
        report.submitted_through = None if through is None else to_time(through)
        self._context.observer.scope_read(report, self._queue.share_read if self._queue else 1.0)

    def _end(self, outcome: Literal["ok", "failed"], error: str | None = None) -> None:
        if self._client:
            # A thousand scopes are a thousand clients: their connections close with each scope.
            self._client.close()
        self._client = self._listing = self._queue = None
        report = self.report
        report.outcome, report.error = outcome, error
        if report.started_at:
            report.started_at = self._clock.at(report.started_at)
            if outcome == "ok" and not report.is_range:
                lag = timedelta(seconds=self._context.options.lag_seconds)
                report.settled_through = report.started_at - lag
        report.finished_at = self._clock.now()
        self._observe()


class Extraction:
    """Reads every scope once, some of them ahead, and yields the new and changed rows.

    The scopes are the caller's account and one more for each role, in each region. Raises
    `OptionError` for options that do not fit together, `ScopeError` if there are no credentials, or
    if the account is unknown and a shard depends on it.
    """

    def __init__(self, context: RunContext) -> None:
        scopes = find_scopes(context.options)
        self.run_id = context.run_id
        self.is_finished = False
        self.reports: list[ScopeReport] = []
        """Reports of the scopes that have been read, or have failed."""
        self._reported = 0
        self._state: MutableMapping[str, Any] = {}
        self._context = context
        self._runs = deque(
            ScopeRun(account, region, context, self._stored_progress) for account, region in scopes
        )
        self._vanished: list[tuple[str, datetime]] = []
        self._unsaved: list[ScopeRun] = []
        """Runs that have ended, but whose progress is not in the state yet."""
        self._read_ahead = ReadAhead(context.options.concurrency, self._runs)
        self._tables = self._read_scopes()
        context.observer.run_started(len(scopes))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading, without waiting for calls under way."""
        self._context.stopping.set()
        self._read_ahead.close()

    def batches(
        self, state: MutableMapping[str, Any], max_rows: int | None = None
    ) -> Iterator[pa.Table]:
        """Tables of new and changed rows, until the end or a slice of about `max_rows`.

        `state` has each scope's progress under its name. It covers a table's rows once the next
        table is requested, so that it is never ahead of the rows. A further call continues after
        the last slice.
        """
        if self._context.stopping.is_set():
            raise RuntimeError("This extraction was stopped: make a new one, or a new source.")
        self._state = state
        rows = size = handed_rows = handed_size = 0
        waiting: list[pa.Table] = []
        for table in self._tables:
            waiting.append(table)
            rows, size = rows + table.num_rows, size + table.nbytes
            is_batch = rows - handed_rows >= BATCH_ROWS or size - handed_size >= BATCH_BYTES
            is_slice = max_rows is not None and (rows >= max_rows or size >= SLICE_BYTES)
            if is_batch or is_slice:
                yield pa.concat_tables(waiting)
                self._save_progress()
                waiting, handed_rows, handed_size = [], rows, size
            if is_slice:
                self._context.observer.slice_read(rows)
                return
        if rows > handed_rows:
            yield pa.concat_tables(waiting)
        self._save_progress()
        self.is_finished = True
        self.close()
        self._context.observer.slice_read(rows)

    def new_runs(self) -> pa.Table:
        """Rows of `extract_runs`: the scopes that ended since the last call.

        What has no account is no scope: nothing later could know that it is read again.
        """
        ended = self.reports[self._reported :]
        self._reported = len(self.reports)
        known = [each for each in ended if Scope(each.account_id, each.region).is_known]
        return pa.Table.from_pylist([vars(report) for report in known], EXTRACT_RUNS.schema)

    def new_vanished(self) -> pa.Table:
        """Rows of `vanished_invokes`: those found since the last call."""
        found, self._vanished = self._vanished, []
        rows = [{"invocation_arn": arn, "vanished_at": at} for arn, at in found]
        return pa.Table.from_pylist(rows, VANISHED_INVOKES.schema)

    def _read_scopes(self) -> Iterator[pa.Table]:
        while self._runs:
            run = self._runs[0]
            yield from run.tables(self._read_ahead)
            self._read_ahead.close_scope()
            self._unsaved.append(self._runs.popleft())
            self.reports.append(run.report)

    def _save_progress(self) -> None:
        for run in (*self._unsaved, *islice(self._runs, 1)):
            run.save_progress(self._state)
            self._vanished += run.vanished
            run.vanished.clear()
        self._unsaved.clear()

    def _stored_progress(self, scope: str) -> Mapping[str, Any]:
        """The newest known progress: another worker may have had the scope since."""
        known: list[Mapping[str, Any]] = [
            progress[scope]
            for progress in (self._state, self._context.elsewhere)
            if scope in progress
        ]
        return max(known, key=lambda progress: progress.get("revision", 0), default={})
