"""Statements with which other engines read an export."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from bedrock_async_etl.export.manifest import Manifest, TableEntry
from bedrock_async_etl.files.parquet import ROWS
from bedrock_async_etl.files.urls import is_s3
from bedrock_async_etl.formatting import literal

ATHENA_TYPES: Final = {
    "INTEGER": "int",
    "VARCHAR": "string",
    "BLOB": "binary",
    "BIGINT[]": "array<bigint>",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
}
"""Types whose names differ from DuckDB's."""
PLACE_ON_S3: Final = "s3://BUCKET/PATH"
"""Stands for the copy of a local export, as Athena reads from S3 alone."""


def statements(manifest: Manifest, url: str, *, only_rows: bool = False) -> str:
    """DuckDB, Spark and Athena for each table, or for the rows alone; to be pasted."""
    url = url.rstrip("/")
    tables = {
        name: table for name, table in manifest.tables.items() if not only_rows or name == ROWS
    }
    place = url if is_s3(url) else PLACE_ON_S3
    blocks = ["-- DuckDB", *_duckdb(tables, url)]
    blocks += ["", "# Spark (Python)", *(_spark(name, url) for name in tables)]
    blocks += ["", "-- Athena", *(_athena(*each, place) for each in tables.items())]
    return "\n".join(blocks) + "\n"


def _duckdb(tables: Mapping[str, TableEntry], url: str) -> Iterator[str]:
    if is_s3(url):
        yield "create secret (type s3, provider credential_chain);"
    for name, table in tables.items():
        if table.partitioned_by:
            files = f"{literal(f'{url}/{name}/*/*.parquet')}, hive_partitioning = true"
        else:
            files = literal(f"{url}/{name}/*.parquet")
        yield f"create view {name} as from read_parquet({files});"


def _spark(name: str, url: str) -> str:
    # Spark's own name of the protocol; on EMR and Glue s3:// does as well.
    path = url.replace("s3://", "s3a://", 1) if is_s3(url) else url
    quoted = json.dumps(f"{path}/{name}", ensure_ascii=False)
    return f'spark.read.parquet({quoted}).createOrReplaceTempView("{name}")'


def _athena(name: str, table: TableEntry, url: str) -> str:
    """Partitions are found by MSCK REPAIR TABLE.

    Partition projection needs no repair for a new date, but it projects dates only: rows without
    a submit_time, in `submit_date=__HIVE_DEFAULT_PARTITION__`, would be missing, and unnoticed.
    """
    columns = ",\n".join(
        f"    `{column}` {_athena_type(kind)}" for column, kind in table.columns.items()
    )
    partitioned = (
        f"PARTITIONED BY (`{table.partitioned_by}` date)\n" if table.partitioned_by else ""
    )
    repair = f"\nMSCK REPAIR TABLE `{name}`;  -- again for each new date" if partitioned else ""
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS `{name}` (\n{columns}\n)\n{partitioned}"
        f"STORED AS PARQUET\nLOCATION {literal(f'{url}/{name}/')};{repair}"
    )


def _athena_type(kind: str) -> str:
    return ATHENA_TYPES.get(kind, kind.lower())
