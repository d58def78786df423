"""The tables and their columns, each declared once: name, type, member of the API and meaning."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal, get_args, get_type_hints

import pyarrow as pa

TEXT: Final = pa.string()
TIMESTAMP: Final = pa.timestamp("us", tz="UTC")
LOAD_ID: Final = "_dlt_load_id"
"""The column of dlt's load, which follows those of each table."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    type: pa.DataType
    meaning: str
    member: str | None = None
    """Path of the member of `asyncInvokeSummaries` that it is; None where it is derived."""
    is_required: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the dataset."""

    name: str
    meaning: str
    key: tuple[str, ...]
    newest_by: str
    """Of several versions of a row, the one with the largest value in this column counts."""
    columns: tuple[Column, ...]

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the rows as they are extracted, without dlt's column."""
        return pa.schema(
            [pa.field(each.name, each.type, not each.is_required) for each in self.columns]
        )

    @cached_property
    def stored_schema(self) -> pa.Schema:
        """The Arrow schema of the rows as a destination stores them."""
        return self.schema.append(pa.field(LOAD_ID, TEXT))


def no_rows(schema: pa.Schema) -> pa.Table:
    """A table without rows.

    Arrow's own `empty_table` imports pandas where it is installed, which takes as long as a query
    of five million rows.
    """
    return pa.Table.from_batches([], schema)


ASYNC_INVOKES: Final = Table(
    "async_invokes",
    "Asynchronous invocations, one row each, with the values that the listing had last.",
    key=("invocation_arn",),
    newest_by="observed_at",
    columns=(
        Column("invocation_arn", TEXT, "ARN of the invocation.", "invocationArn", True),
        Column("account_id", TEXT, "Account, 12 digits, from the ARN, or else of the scope."),
        Column("region", TEXT, "Region, from the ARN, or else of the scope."),
        Column("invocation_id", TEXT, "Last part of the ARN."),
        Column("model_arn", TEXT, "ARN of the model.", "modelArn", True),
        Column("model_id", TEXT, "Last part of the model's ARN, such as `amazon.nova-reel-v1:1`."),
        Column("model_provider", TEXT, "Provider of a foundation model; null for other models."),
        Column("client_request_token", TEXT, "Idempotency token.", "clientRequestToken"),
        Column("status", TEXT, "`InProgress`, `Completed`, `Failed` or a newer one.", "status"),
        Column("failure_message", TEXT, "Failure message, as it is stored.", "failureMessage"),
        Column("submit_time", TIMESTAMP, "Time of submission.", "submitTime"),
        Column("last_modified_time", TIMESTAMP, "Time of the last change.", "lastModifiedTime"),
        Column("end_time", TIMESTAMP, "Time at which it ended.", "endTime"),
        Column("submit_date", pa.date32(), "UTC date of `submit_time`."),
        Column(
            "output_s3_uri",
            TEXT,
            "S3 prefix of the output.",
            "outputDataConfig.s3OutputDataConfig.s3Uri",
        ),
        Column(
            "output_kms_key_id",
            TEXT,
            "KMS key of the output.",
            "outputDataConfig.s3OutputDataConfig.kmsKeyId",
        ),
        Column(
            "output_bucket_owner",
            TEXT,
            "Account that owns the output's bucket.",
            "outputDataConfig.s3OutputDataConfig.bucketOwner",
        ),
        Column("extra", TEXT, "JSON of the members without a column; null where there are none."),
        Column("observed_at", TIMESTAMP, "Time at which this version of the row was read."),
    ),
)

VANISHED_INVOKES: Final = Table(
    "vanished_invokes",
    "Open invocations that were found missing from the listing, and stay here if listed again.",
    key=("invocation_arn",),
    newest_by="vanished_at",
    columns=(
        Column("invocation_arn", TEXT, "ARN of the invocation.", is_required=True),
        Column("vanished_at", TIMESTAMP, "Time at which it was found missing."),
    ),
)


def _measure(meaning: str, default: Any = None, *, is_added_up: bool = False) -> Any:
    """A column of `extract_runs`."""
    return field(default=default, metadata={"meaning": meaning, "is_added_up": is_added_up})


def _count(meaning: str) -> Any:
    """A column of `extract_runs` that has a total over the scopes of a run."""
    return _measure(meaning, 0, is_added_up=True)


@dataclass
class ScopeReport:
    """One run of one scope: a row of `extract_runs`, counted up while the scope is read."""

    run_id: str = _measure("Run that read the scope.")
    account_id: str = _measure("Account, 12 digits.")
    region: str = _measure("Region.")
    started_at: datetime | None = _measure("Start, by the service's clock.")
    finished_at: datetime | None = _measure("End, by the service's clock.")
    outcome: Literal["ok", "failed"] | None = _measure("`ok` or `failed`.")
    error: str | None = _measure("Reason of a failure, with the remedy.")
    calls: int = _count("Calls of ListAsyncInvokes, with retries.")
    throttled: int = _count("Calls that were throttled.")
    pages: int = _count("Pages read.")
    rows_read: int = _count("Rows read.")
    rows_new: int = _count("Rows that were not stored before.")
    rows_changed: int = _count("Stored rows that changed.")
    rows_scrubbed: int = _count("Old rows that were read again.")
    rows_healed: int = _count(
        "Rows that were missing or differed though they should not have, and were loaded."
    )
    rows_late: int = _count(
        "Rows healed that had been missing, as they were listed later than the lag."
    )
    late_seconds: int | None = _measure(
        "Longest time from the submission of such a row until it was found."
    )
    scrubbed_through: datetime | None = _measure(
        "Of this pass of the scrub, everything submitted until then was read again."
    )
    open_invocations: int = _measure("Open invocations after the run.", 0)
    vanished: int = _count("Open invocations found missing.")
    submitted_through: datetime | None = _measure("Everything submitted until then was read.")
    quarantined: int = _count("Rows of another account or region, which are not loaded.")
    quarantine_reason: str | None = _measure("First of the quarantined rows.")
    version: str | None = _measure("Version of bedrock-async-etl; null for the source alone.")
    is_range: bool | None = _measure(
        "True if the run left out what may be new (`--since`, `--until`): the scope is no fresher."
    )
    settled_through: datetime | None = _measure(
        "No more can be listed of what was submitted until then: the start of the run less the lag."
    )

    @property
    def scope(self) -> str:
        """Account and region, as messages name them."""
        return f"{self.account_id}/{self.region}"

    @property
    def has_news(self) -> bool:
        """True after a failure, or where anything was found that had not been known."""
        return self.outcome != "ok" or any(
            (
                self.rows_new,
                self.rows_changed,
                self.rows_healed,
                self.vanished,
                self.quarantined,
            )
        )


_RUN_KEY: Final = ("run_id", "account_id", "region")
_ARROW_TYPES: Final = {str: TEXT, int: pa.int64(), bool: pa.bool_(), datetime: TIMESTAMP}


def _run_columns() -> Iterator[Column]:
    types = get_type_hints(ScopeReport)
    for each in fields(ScopeReport):
        [kind, *_] = [
            kind for kind in (types[each.name], *get_args(types[each.name])) if kind in _ARROW_TYPES
        ] or [str]
        yield Column(
            each.name,
            _ARROW_TYPES[kind],
            each.metadata["meaning"],
            is_required=each.name in _RUN_KEY,
        )


EXTRACT_RUNS: Final = Table(
    "extract_runs",
    "Runs of scopes: one row for each scope that a run read.",
    key=_RUN_KEY,
    newest_by="finished_at",
    columns=tuple(_run_columns()),
)
ADDED_UP: Final = tuple(each.name for each in fields(ScopeReport) if each.metadata["is_added_up"])
"""Columns of `extract_runs` that have a total over the scopes of a run."""

TABLES: Final = {table.name: table for table in (ASYNC_INVOKES, EXTRACT_RUNS, VANISHED_INVOKES)}
