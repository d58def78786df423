"""How each scope stands: what its newest run left, and when it was last read whole."""

from typing import Any, Final

import duckdb

SCOPES: Final = """
select
    account_id,
    region,
    max(finished_at) filter (where outcome = 'ok') as last_success_at,
    -- dlt names a load after this machine's clock; runs are dated by the service's.
    max(to_timestamp(try_cast(_dlt_load_id as double)))
        filter (where outcome = 'ok' and try_cast(_dlt_load_id as double) > 1e9)
        as last_success_loaded_at,
    unnest(max_by(
        {
            'run_id': run_id,
            'last_run_at': finished_at,
            'last_outcome': outcome,
            'last_error': error,
            'submitted_through': submitted_through,
            'open_invocations': open_invocations,
            'rows_read': rows_read,
            'rows_new': rows_new,
            'rows_changed': rows_changed,
            'calls': calls,
            'throttled': throttled,
            'vanished': vanished,
            'quarantined': coalesce(quarantined, 0),
            'quarantine_reason': quarantine_reason,
        },
        {'finished_at': finished_at, 'load_id': _dlt_load_id}
    )),
from (
    from bedrock.extract_runs
    -- A database that was loaded last by an older version has not got these columns.
    union all by name
    select null::bigint as quarantined, null::varchar as quarantine_reason where false
)
group by account_id, region
order by account_id, region
"""
"""One row per scope that was ever run."""

Row = dict[str, Any]


def read_scopes(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """One dictionary per scope; raises `duckdb.CatalogException` where there are no runs yet."""
    rows: list[Row] = connection.sql(SCOPES).to_arrow_table().to_pylist()
    return rows


def read_model(connection: duckdb.DuckDBPyConnection, query: str) -> list[Row] | None:
    """What a query finds in the models; None where they were not built, or are others."""
    try:
        rows: list[Row] = connection.sql(query).to_arrow_table().to_pylist()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    return rows
