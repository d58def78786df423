"""Amazon Bedrock's asynchronous invocations: an exact, incremental copy of ListAsyncInvokes."""

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import dlt
import pyarrow as pa
from dlt.sources import DltResource

from .extraction import Extraction, new_extraction
from .records import SCHEMA
from .reports import RUNS_SCHEMA, VANISHED_SCHEMA
from .roles import ROLE_SESSION_NAME
from .settings import CONCURRENCY, LAG_SECONDS, FailureMessages

__all__ = ["Extraction", "bedrock_async_invokes", "extraction_source", "new_extraction"]

MERGE: dict[str, Any] = {"write_disposition": {"disposition": "merge", "strategy": "delete-insert"}}
"""An upsert would leave duplicates behind when it is killed between its two statements."""

CONTRACT: Any = {"tables": "evolve", "columns": "evolve", "data_type": "freeze"}
"""What Bedrock adds is in `extra`: a new table or column can only come from a newer version of this
source. A value of another type is refused, which a destination would cast."""

LOAD_ID = pa.field("_dlt_load_id", pa.string(), nullable=False)


@dlt.source(name="bedrock_async_invokes", schema_contract=CONTRACT)
def bedrock_async_invokes(
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
    external_id: dlt.TSecretStrValue | None = None,
    role_session_name: str = ROLE_SESSION_NAME,
) -> Sequence[DltResource]:
    """Asynchronous invocations of the caller's account, and of one more for each role.

    Args:
        regions: AWS regions, or `["all"]`; the session's own where none is given.
        role_arns: Roles to assume, each for one more account.
        organization_role: `NAME` or `PATH/NAME` of the role to assume in every other active account
            of the caller's organization, but for those that `role_arns` lead to.
        shard: `I/N`, such as `2/4`, to read only the I-th of N stable shares of all scopes.
        since: Read the range from this submitTime instead of what is new or open.
        until: Read invocations submitted before this.
        lag_seconds: How late an invocation may become visible in the listing.
        concurrency: Calls in flight, over all scopes.
        failure_message: `keep` it, `redact` it to its category and a hash, or `drop` it.
        hub_role_arn: The role to assume first, by which all others are assumed. It lists the
            organization's accounts, too.
        external_id: What the roles' trust policies ask for; dlt keeps it out of its traces.
        role_session_name: What CloudTrail shows of who called.

    Returns:
        The resources `async_invokes`, `extract_runs` and `vanished_invokes`.
    """
    return _resources(
        new_extraction(
            regions,
            role_arns,
            organization_role,
            shard,
            since,
            until,
            lag_seconds,
            concurrency,
            failure_message,
            hub_role_arn,
            external_id,
            role_session_name,
        )
    )


@dlt.source(name="bedrock_async_invokes", schema_contract=CONTRACT)
def extraction_source(
    # Any, since dlt's configuration has no place for an object of ours.
    extraction: Any,
    slice_rows: int | None = None,
) -> Sequence[DltResource]:
    """The same tables from an `Extraction` of one's own, about `slice_rows` rows each time.

    Running it again goes on where the slice before ended, until `extraction.is_finished`.
    """
    return _resources(extraction, slice_rows)


def _resources(extraction: Extraction, slice_rows: int | None = None) -> Sequence[DltResource]:
    is_read = threading.Event()

    @dlt.resource(
        primary_key="invocation_arn", columns={"observed_at": {"dedup_sort": "desc"}}, **MERGE
    )
    def async_invokes() -> Iterator[pa.Table]:
        is_whole = False
        try:
            yield from _new_table("async_invokes", SCHEMA)
            for table in extraction.batches(dlt.current.resource_state(), slice_rows):
                yield _with_load_id(table)
            is_whole = True
        finally:
            if not is_whole:
                extraction.close()
            is_read.set()

    @dlt.resource(primary_key=("run_id", "account_id", "region"), **MERGE)
    def extract_runs() -> Iterator[pa.Table | None]:
        yield from _new_table("extract_runs", RUNS_SCHEMA)
        yield from _once(is_read)
        yield from _with_rows(extraction.new_runs())

    @dlt.resource(primary_key="invocation_arn", **MERGE)
    def vanished_invokes() -> Iterator[pa.Table | None]:
        yield from _new_table("vanished_invokes", VANISHED_SCHEMA)
        yield from _once(is_read)
        yield from _with_rows(extraction.new_vanished())

    return async_invokes, extract_runs, vanished_invokes


def _new_table(name: str, schema: pa.Schema) -> Iterator[pa.Table]:
    """A table without rows on the first load, so that queries find all tables from then on."""
    if name not in dlt.current.source_schema().tables:
        yield _with_load_id(schema.empty_table())


def _once(is_read: threading.Event) -> Iterator[None]:
    """Let dlt take the other resources' items until `async_invokes` has been read."""
    while not is_read.is_set() and "async_invokes" in dlt.current.source().selected_resources:
        yield None


def _with_rows(table: pa.Table) -> Iterator[pa.Table]:
    if table.num_rows:
        yield _with_load_id(table)


def _with_load_id(table: pa.Table) -> pa.Table:
    """dlt adds this column to Arrow tables only where its configuration asks for it."""
    load_id = dlt.current.load_package_state()["load_id"]
    return table.append_column(LOAD_ID, pa.repeat(load_id, table.num_rows))
