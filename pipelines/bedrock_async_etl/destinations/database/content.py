"""The content of a copy: rows and models, without what every run changes.

Exports and the copy for readers stay as they are while the content is the same.
"""

import hashlib
from typing import Final

import duckdb

from bedrock_async_etl.destinations import ANALYTICS_NAME
from bedrock_async_etl.destinations.database.model_tables import (
    INPUT_DATES,
    fingerprint_of,
    model_table,
)
from bedrock_async_etl.files.parquet import table_names

CONTENT: Final = (
    INPUT_DATES,
    """
    select count(*), sum(epoch_us(vanished_at)), bit_xor(epoch_us(vanished_at))
    from bedrock.vanished_invokes
    """,
    """
    select max_by(run_id, try_cast(_dlt_load_id as double))
    from bedrock.extract_runs
    where rows_new + rows_changed + coalesce(rows_healed, 0) + vanished > 0
    """,
    """
    select account_id, region, outcome, error, quarantined
    from bedrock.extract_runs
    qualify row_number() over (
        partition by account_id, region
        order by try_cast(_dlt_load_id as double) desc, finished_at desc, run_id desc
    ) = 1
    """,
    "from bedrock_builds.definitions",
    """
    select table_name, day, fingerprint
    from bedrock_builds.fingerprints
    where
        table_name <> 'bedrock.extract_runs'
        and not starts_with(table_name, 'bedrock_analytics.')
    """,
    "select account_id, region, last_outcome, last_error from bedrock_analytics.scopes",
    "select invocation_arn, is_stuck, is_vanished from bedrock_analytics.open_invocations",
)
"""Queries with equal results for two copies that differ only in runs without news.

They read what is stored, not what this run has loaded: a killed run may have stored rows, with or
without its reports. The last run that had news differs between databases. The report of each scope
that was stored last counts, whatever its clock said: a failure that lasts is news once, unlike in
`ScopeReport.has_news`, and its end is news, too.

Models may be older than the rows, so the tables that they were built from, and the outcomes that
they know, count as well. Ages, freshness and the windows of the last 30 days do not.
"""


def read_content(connection: duckdb.DuckDBPyConnection) -> str | None:
    """A digest of the content; None where it is unknown.

    It is unknown without models, and where an older version made the tables.
    """
    try:
        names = _other_tables(connection)
        others = [_whole_table(connection, name) for name in names]
        found = [sorted(map(repr, connection.execute(each).fetchall())) for each in CONTENT]
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    rows_of_names = [(name,) for name in names]  # As in the digests of published copies.
    return hashlib.sha256(repr([rows_of_names, others, found]).encode()).hexdigest()


def _other_tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables among the models that no build has made."""
    built = connection.execute("select model from bedrock_builds.definitions").fetchall()
    names = table_names(connection, ANALYTICS_NAME)
    return [name for name in names if (name.lower(),) not in built]


def _whole_table(connection: duckdb.DuckDBPyConnection, name: str) -> list[tuple[int, str]]:
    """Rows and fingerprint of a table."""
    table = model_table(name)
    columns = [column for column, *_ in connection.execute(f"describe {table}").fetchall()]
    return connection.execute(f"select {fingerprint_of(columns)} from {table}").fetchall()  # noqa: S608
