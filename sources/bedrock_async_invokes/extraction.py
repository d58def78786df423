"""One run over all scopes, in batches that are loaded one after the other."""

import threading
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Self, get_args

import pyarrow as pa
from botocore.exceptions import BotoCoreError
from dlt.common.configuration.const import TYPE_EXAMPLES
from dlt.common.typing import TSecretStrValue

from .errors import OptionError, ScopeError
from .instants import to_microseconds
from .pool import ReadingPool
from .progress import Stored
from .reports import RUNS_SCHEMA, VANISHED_SCHEMA, Observer, ScopeReport
from .roles import ROLE_SESSION_NAME, Assuming
from .scope_run import RunOptions, ScopeRun
from .scopes import Account, Scope, find_accounts, find_regions
from .settings import (
    BATCH_BYTES,
    BATCH_ROWS,
    CONCURRENCY,
    LAG_SECONDS,
    SLICE_BYTES,
    FailureMessages,
)
from .shards import Shard
from .windows import Window


class Extraction:
    """Reads every scope once, some of them ahead, and gives out what is new or changed."""

    def __init__(
        self,
        scopes: Sequence[tuple[Account, str]],
        options: RunOptions,
        elsewhere: Mapping[str, Any],
        shard: Shard | None = None,
    ) -> None:
        self.run_id = options.run_id
        self.shard = shard
        """Which share of the scopes these are; None where they are all."""
        self.is_finished = False
        self.reports: list[ScopeReport] = []
        """Of the scopes that have been read, or have failed."""
        self._reported = 0
        self._state: MutableMapping[str, Any] = {}
        self._elsewhere = elsewhere
        self._stopping = threading.Event()
        self._runs = deque(
            ScopeRun(account, region, options, self._stored_progress, self._stopping)
            for account, region in scopes
        )
        self._vanished: list[tuple[str, datetime]] = []
        self._unsaved: list[ScopeRun] = []
        """Ended, but their progress is not in the state yet."""
        self._pool = ReadingPool(options.concurrency, self._runs)
        self._tables = self._read_scopes()
        self._observer = options.observer
        if self._observer:
            self._observer.run_started(len(scopes))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading: nothing more is asked for, and calls under way are not waited for."""
        self._stopping.set()
        self._pool.close()

    def batches(
        self, state: MutableMapping[str, Any], max_rows: int | None = None
    ) -> Iterator[pa.Table]:
        """Tables of rows that are new or changed, until the end or a slice of about `max_rows`.

        `state` has each scope's progress under its name. It covers a table's rows once the next
        table is asked for, so that it is never ahead of what was taken. Called again, it goes on
        where it stopped.
        """
        if self._stopping.is_set():
            raise RuntimeError("This extraction was stopped: make a new one, or a new source.")
        self._state = state
        batch, rows, size = _Batch(), 0, 0
        for table in self._tables:
            batch.add(table)
            is_slice_full = max_rows is not None and (
                rows + batch.rows >= max_rows or size + batch.size >= SLICE_BYTES
            )
            if batch.is_full or is_slice_full:
                rows, size = rows + batch.rows, size + batch.size
                yield batch.take()
                self._save_progress()
            if is_slice_full:
                self._hand_over(rows)
                return
        rows += batch.rows
        if batch.rows:
            yield batch.take()
        self._save_progress()
        self.is_finished = True
        self.close()
        self._hand_over(rows)

    def _hand_over(self, rows: int) -> None:
        if self._observer:
            self._observer.slice_read(rows)

    def new_runs(self) -> pa.Table:
        """Rows of `extract_runs`: the scopes that ended since this was asked last."""
        ended = self.reports[self._reported :]
        self._reported = len(self.reports)
        return pa.Table.from_pylist([vars(report) for report in ended], schema=RUNS_SCHEMA)

    def new_vanished(self) -> pa.Table:
        """Rows of `vanished_invokes`: those found since this was asked last."""
        found, self._vanished = self._vanished, []
        rows = [{"invocation_arn": arn, "vanished_at": at} for arn, at in found]
        return pa.Table.from_pylist(rows, schema=VANISHED_SCHEMA)

    def _read_scopes(self) -> Iterator[pa.Table]:
        while self._runs:
            run = self._runs[0]
            yield from run.tables(self._pool)
            self._pool.move_on()
            self._unsaved.append(self._runs.popleft())
            self.reports.append(run.report)

    def _save_progress(self) -> None:
        for run in (*self._unsaved, *islice(self._runs, 1)):
            run.save_progress(self._state)
            self._vanished += run.vanished
            run.vanished.clear()
        self._unsaved.clear()

    def _stored_progress(self, scope: str) -> Mapping[str, Any]:
        """The newest that is known: another worker may have had the scope since."""
        known: list[Mapping[str, Any]] = [
            progress[scope] for progress in (self._state, self._elsewhere) if scope in progress
        ]
        return max(known, key=lambda progress: progress.get("revision", 0), default={})


class _Batch:
    """Tables put together until there is enough to hand over."""

    def __init__(self) -> None:
        self.rows = 0
        self.size = 0
        """In bytes."""
        self._tables: list[pa.Table] = []

    @property
    def is_full(self) -> bool:
        return self.rows >= BATCH_ROWS or self.size >= BATCH_BYTES

    def add(self, table: pa.Table) -> None:
        self._tables.append(table)
        self.rows += table.num_rows
        self.size += table.nbytes

    def take(self) -> pa.Table:
        tables, self._tables = self._tables, []
        self.rows = self.size = 0
        return pa.concat_tables(tables)


def new_extraction(
    regions: list[str] | None = None,
    role_arns: list[str] | None = None,
    organization_role: str | None = None,
    shard: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    lag_seconds: int = LAG_SECONDS,
    concurrency: int = CONCURRENCY,
    failure_message: FailureMessages = "keep",
    hub_role_arn: str | None = None,
    external_id: TSecretStrValue | None = None,
    role_session_name: str = ROLE_SESSION_NAME,
    stored: Stored | None = None,
    elsewhere: Mapping[str, Any] | None = None,
    observer: Observer | None = None,
) -> Extraction:
    """A run over the caller's account and one for each role, in each region.

    `organization_role` adds the other accounts of the caller's organization, each by the role of
    that name in it; `shard`, such as `2/4`, keeps that share of all scopes. `hub_role_arn` is
    assumed first and assumes all other roles, each with `external_id` and `role_session_name`.
    `stored` tells which rows the destination has, `elsewhere` the progress by scope that other
    pipelines left in it.

    Raises `OptionError` for values that make no sense, `ScopeError` where there are no
    credentials, or the organization's accounts cannot be listed.
    """
    window = Window(
        None if since is None else to_microseconds(since),
        None if until is None else to_microseconds(until),
    )
    _check_options(window, lag_seconds, concurrency, failure_message)
    options = RunOptions(
        run_id=uuid.uuid4().hex,
        window=window,
        lag_us=lag_seconds * 1_000_000,
        concurrency=concurrency,
        failure_messages=failure_message,
        stored=stored,
        observer=observer,
    )
    share = None if shard is None else Shard.parse(shard)
    if external_id == TYPE_EXAMPLES["text"]:
        external_id = None  # `dlt init` writes this for every secret, needed or not.
    assuming = Assuming(hub_role_arn or None, external_id or None, role_session_name)
    scopes = _find_scopes(regions or (), role_arns or (), organization_role, concurrency, assuming)
    kept = scopes if share is None else _share_of(scopes, share)
    return Extraction(kept, options, elsewhere or {}, share)


def _find_scopes(
    regions: Sequence[str],
    role_arns: Sequence[str],
    organization_role: str | None,
    concurrency: int,
    assuming: Assuming,
) -> list[tuple[Account, str]]:
    """Each scope once: a role in an account that is read already takes its place."""
    try:
        found = find_accounts(role_arns, concurrency, organization_role, assuming, regions)
        accounts = {account.account_id: account for account in found}
        scopes = list(_in_each_region(accounts.values(), regions))
    except BotoCoreError as error:
        raise ScopeError(f"The AWS configuration cannot be used: {error}") from error
    if not scopes:
        raise OptionError("There is no region with Bedrock in this partition: name one.")
    return scopes


def _in_each_region(
    accounts: Iterable[Account], regions: Sequence[str]
) -> Iterator[tuple[Account, str]]:
    """Regions are looked up once for each partition of AWS, since that takes a session."""
    found: dict[str, list[str]] = {}
    for account in accounts:
        if account.partition not in found:
            found[account.partition] = find_regions(account, regions)
        for region in found[account.partition]:
            yield account, region


def _share_of(scopes: Sequence[tuple[Account, str]], shard: Shard) -> list[tuple[Account, str]]:
    """The scopes that a shard takes, each by the account's real id.

    Raises `ScopeError` where the caller's account is unknown, as `unknown` may be in another shard.
    """
    return [
        (account, region)
        for account, region in scopes
        if shard.takes(Scope(account.known_id, region))
    ]


def _check_options(
    window: Window, lag_seconds: int, concurrency: int, failure_message: FailureMessages
) -> None:
    if window.is_empty:
        raise OptionError("The range is empty: --since must be before --until.")
    if lag_seconds < 0:
        raise OptionError(f"The lag must be 0 seconds or more, not {lag_seconds}.")
    if concurrency < 1:
        raise OptionError(f"The concurrency must be 1 or more, not {concurrency}.")
    if failure_message not in get_args(FailureMessages):
        choices = ", ".join(get_args(FailureMessages))
        raise OptionError(f"failure_message is one of {choices}, not {failure_message!r}.")
