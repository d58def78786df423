"""The partitions of a table and their fingerprints: those that builds keep, where there are any."""

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Final

import duckdb

from bedrock_async_etl.destinations.database.model_tables import (
    BUILDS_NAME,
    INPUT_DATES,
    Fingerprint,
    Fingerprints,
    fingerprint_of,
    read_fingerprints,
)
from bedrock_async_etl.files.parquet import ROWS, Partition, Source, table_names

KEPT: Final = "select day, rows, fingerprint from bedrock_builds.fingerprints where table_name = ?"


def partitions(connection: duckdb.DuckDBPyConnection, source: Source) -> list[Partition]:
    """The partitions of a table's rows, each with its fingerprint and no files yet."""
    if source.name == ROWS:
        found = read_fingerprints(connection, INPUT_DATES)
    else:
        found = _kept(connection, source) or _computed(connection, source)
    return sorted(
        (Partition(source.folder(day), each.rows, each.value) for day, each in found.items()),
        key=lambda partition: partition.folder,
    )


def _kept(connection: duckdb.DuckDBPyConnection, source: Source) -> Fingerprints | None:
    """A model's fingerprints of the last build; None where they do not fit its present rows.

    Other tables have none. A user's model may have other dates than its partitions, and somebody
    may have changed a table since the build.
    """
    if "fingerprints" not in table_names(connection, BUILDS_NAME):
        return None
    kept = read_fingerprints(connection, KEPT, f"{source.schema}.{source.name.lower()}")
    if not source.partition_column:
        kept = _combined(kept)
    counts = {day: each.rows for day, each in kept.items()}
    return kept if counts == _counts(connection, source) else None


def _combined(found: Fingerprints) -> Fingerprints:
    """The fingerprints of all dates of a table as one."""
    texts = sorted(f"{day} {each.value}" for day, each in found.items())
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    return {None: Fingerprint(sum(each.rows for each in found.values()), digest)}


def _computed(connection: duckdb.DuckDBPyConnection, source: Source) -> Fingerprints:
    return read_fingerprints(connection, _by_partition(source, fingerprint_of(source.columns)))


def _counts(connection: duckdb.DuckDBPyConnection, source: Source) -> Mapping[date | None, int]:
    """Rows by date."""
    return dict(connection.execute(_by_partition(source, "count(*)")).fetchall())


def _by_partition(source: Source, values: str) -> str:
    """The SELECT of the dates of the partitions, and of such values of their rows."""
    key = source.partition_column
    grouped = f"group by {key}" if key else ""
    return f"select {key or 'null'}, {values} from {source.sql_name} {grouped}"  # noqa: S608
