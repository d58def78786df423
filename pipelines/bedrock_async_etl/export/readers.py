"""Statements with which other engines read an export, or a lake itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME
from bedrock_async_etl.destinations.lake.iceberg.catalog import GLUE
from bedrock_async_etl.export.manifest import Manifest
from bedrock_async_etl.files.parquet import NO_DATE, ROWS, exported_type, model_tables
from bedrock_async_etl.files.urls import absolute, is_s3
from bedrock_async_etl.formatting import identifier, literal
from bedrock_async_invokes.columns import LOAD_ID, TABLES

if TYPE_CHECKING:
    from bedrock_async_etl.destinations.lake import LakeDestination
    from bedrock_async_etl.destinations.lake.formats import Layout

HIVE, TRINO = "hive", "trino"
"""Dialects of sqlglot; Athena's tables are those of Hive."""
SNOWFLAKE_TYPES: Final = {
    "BLOB": "binary",
    "BIGINT[]": "array",
    "TIMESTAMP WITH TIME ZONE": "timestamp_tz",
}
POLARS_TYPES: Final = {
    "VARCHAR": "pl.String",
    "BIGINT": "pl.Int64",
    "BIGINT[]": "pl.List(pl.Int64)",
    "BOOLEAN": "pl.Boolean",
    "DATE": "pl.Date",
    "TIMESTAMP WITH TIME ZONE": "pl.Datetime('us', 'UTC')",
}
"""For the columns of a change log."""
S3_BUCKET: Final = "s3://BUCKET/PATH"
"""Stands for a copy of what is local: Athena, Trino and Snowflake read from S3 alone."""
DUCKDB_CATALOGS: Final[Mapping[str | None, Sequence[str]]] = {
    GLUE: ["attach 'ACCOUNT' as lake (type iceberg, endpoint_type glue);"],
    "rest": [
        "create or replace secret catalog (type iceberg, client_id 'CLIENT_ID', client_secret "
        "'CLIENT_SECRET', oauth2_server_uri 'OAUTH2_SERVER_URI');",
        "attach 'WAREHOUSE' as lake (type iceberg, endpoint 'CATALOG_URI', secret catalog);",
    ],
}
SNAPSHOT: Final = "-- Of the newest snapshot alone: print these again after each run."
FIRST_DATE: Final = "2024-01-01"
"""Before the first asynchronous invocation."""


@dataclass(frozen=True)
class Relation:
    """A table as its files have it."""

    name: str
    schema: str
    columns: Mapping[str, str]
    """DuckDB's types, without the column of the dates."""
    place: str
    """Its folder: a path, or `s3://…`."""
    layout: "Layout"
    dated_by: str | None = None
    """The column that folders are named after, where the layout is `dates`."""
    catalog: str | None = None
    """For the layout `iceberg`; None for a local lake's catalog."""
    catalog_type: str | None = None
    """As pyiceberg calls it: `sql`, `glue`, `rest` and others."""
    metadata: str | None = None
    """The newest metadata of an Iceberg table, where there is no catalog for everybody."""

    @property
    def on_s3(self) -> str:
        """The folder for engines that read from S3 alone."""
        if is_s3(self.place):
            return self.place
        inside = f"{self.schema}/{self.name}"
        return f"{S3_BUCKET}/{inside if self.place.endswith(inside) else self.name}"

    def current_rows(self, source: str, quote: str = '"') -> str:
        """The SELECT of the newest version of each row in a change log."""
        table = TABLES[self.name]

        def quoted(*names: str) -> list[str]:
            return [f"{quote}{name}{quote}" for name in names]

        newest = ", ".join(f"{name} desc" for name in quoted(table.newest_by, LOAD_ID))
        return (
            f"select {', '.join(quoted(*self.columns))}\n"
            "from (\n    select *, row_number() over (\n"
            f"        partition by {', '.join(quoted(*table.key))}\n"
            f"        order by {newest}\n"
            f"    ) as nth_newest\n    from {source}\n) as versions\nwhere nth_newest = 1"
        )


def export_relations(manifest: Manifest, url: str) -> list[Relation]:
    """The tables of an export."""
    return [
        Relation(
            name,
            ANALYTICS_NAME,
            table.columns,
            f"{absolute(url)}/{name}",
            "dates" if table.partitioned_by else "files",
            table.partitioned_by,
        )
        for name, table in manifest.tables.items()
    ]


def lake_relations(lake: "LakeDestination") -> list[Relation]:
    """The tables of a lake, and its models; raises `CommandError`."""
    stored = lake.stored_format
    with lake.connection() as connection:
        rows = {name: connection.table(f"{DATASET_NAME}.{name}") for name in TABLES}
        tables = {
            (DATASET_NAME, name): dict(zip(each.columns, map(str, each.types), strict=True))
            for name, each in rows.items()
        }
        models = model_tables(connection, ANALYTICS_NAME)
    tables |= {(ANALYTICS_NAME, each.name): {**each.columns} for each in models}
    return [
        Relation(
            name,
            schema,
            {column: exported_type(kind) for column, kind in columns.items()},
            f"{absolute(lake.url)}/{schema}/{name}",
            stored.layout(name),
            catalog=stored.catalog,
            catalog_type=stored.catalog_type,
            metadata=metadata,
        )
        for (schema, name), columns in tables.items()
        for metadata in [stored.metadata_file((schema, name))]
        if metadata or stored.layout(name) != "iceberg"
    ]


def statements(relations: Iterable[Relation], *, only_rows: bool = False) -> str:
    """Statements to paste, by which each engine reads the tables, or some only the rows."""
    chosen = [each for each in relations if not only_rows or each.name == ROWS]
    blocks = []
    for title, (opening, read) in ENGINES.items():
        if not only_rows or title in FOR_ROWS:
            lines = [line for each in chosen for line in read(each)]
            blocks.append("\n".join([title, *opening(chosen), *lines]))
    return "\n\n".join(blocks) + "\n"


def _no_opening(relations: Sequence[Relation]) -> Sequence[str]:
    return ()


def _duckdb_opening(relations: Sequence[Relation]) -> Iterator[str]:
    layouts = {each.layout for each in relations}
    if any(is_s3(each.place) for each in relations):
        yield "create or replace secret lake (type s3, provider credential_chain);"
    if "iceberg" in layouts:
        yield from DUCKDB_CATALOGS.get(relations[0].catalog_type, [SNAPSHOT])


def _duckdb(table: Relation) -> Iterator[str]:
    files = literal(f"{table.place}/*.parquet")
    source = {
        "dates": f"read_parquet({literal(f'{table.place}/*/*.parquet')}, hive_partitioning = true)",
        "delta": f"delta_scan({literal(table.place)})",
        "iceberg": f"lake.{table.schema}.{identifier(table.name)}"
        if table.catalog_type in DUCKDB_CATALOGS
        else f"iceberg_scan({literal(table.metadata or '')})",
    }.get(table.layout, f"read_parquet({files})")
    if table.layout == "log":
        versions = f"read_parquet({files}, union_by_name = true)"
        yield f"create or replace view {table.name} as\n{table.current_rows(versions)};"
        return
    yield f"create or replace view {table.name} as from {source};"


def _spark(table: Relation) -> Iterator[str]:
    # Spark's own name of the protocol; on EMR and Glue s3:// does as well.
    path = table.place.replace("s3://", "s3a://", 1)
    place = "'{}'".format(path.replace("\\", "\\\\").replace("'", "\\'"))
    view = f"create or replace temporary view {table.name}"
    files = f"using parquet options (path {place}, mergeSchema 'true')"
    if table.layout == "log":
        yield f"{view}_log {files};"
        yield f"{view} as\n{table.current_rows(f'{table.name}_log', '`')};"
    elif table.layout == "delta":
        yield f"{view} as select * from delta.`{path.replace('`', '``')}`;"
    elif table.layout == "iceberg":
        catalog = table.catalog or "CATALOG"
        yield f"{view} as select * from {catalog}.{table.schema}.{table.name};"
    else:
        yield f"{view} {files};"


def _athena(table: Relation) -> Iterator[str]:
    """Dates are projected, so that new ones are seen; rows without a date have their own table."""
    place = table.on_s3
    if table.layout == "iceberg":
        if table.catalog_type == GLUE:
            yield f"SELECT count(*) FROM {table.schema}.{table.name};"
        return
    if table.layout == "delta":
        yield (
            f"CREATE EXTERNAL TABLE IF NOT EXISTS `{table.name}`\nLOCATION {literal(f'{place}/')}\n"
            "TBLPROPERTIES ('table_type' = 'DELTA');"
        )
    elif table.layout == "log":
        yield _athena_table(f"{table.name}_log", table, place)
        current = table.current_rows(f"{table.name}_log")
        yield f"CREATE OR REPLACE VIEW {table.name} AS\n{current};"
    elif not table.dated_by:
        yield _athena_table(table.name, table, place)
    else:
        day = table.dated_by
        yield _athena_table(f"{table.name}_dated", table, place, day)
        yield _athena_table(f"{table.name}_undated", table, f"{place}/{day}={NO_DATE}")
        names = ", ".join(f'"{name}"' for name in table.columns)
        yield (
            f"CREATE OR REPLACE VIEW {table.name} AS\n"
            f"SELECT {names}, {day} FROM {table.name}_dated\nUNION ALL\n"
            f"SELECT {names}, CAST(NULL AS date) FROM {table.name}_undated;"
        )


def _athena_table(name: str, table: Relation, place: str, day: str | None = None) -> str:
    columns = ",\n".join(
        f"    `{column}` {_type_in(HIVE, kind)}" for column, kind in table.columns.items()
    )
    partitioned = f"PARTITIONED BY (`{day}` date)\n" if day else ""
    projected = (
        f"\nTBLPROPERTIES (\n    'projection.enabled' = 'true',\n"
        f"    'projection.{day}.type' = 'date',\n"
        f"    'projection.{day}.format' = 'yyyy-MM-dd',\n"
        f"    'projection.{day}.range' = '{FIRST_DATE},NOW+1DAYS',\n"
        f"    'storage.location.template' = {literal(f'{place}/{day}=${{{day}}}/')}\n)"
        if day
        else ""
    )
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS `{name}` (\n{columns}\n)\n{partitioned}"
        f"STORED AS PARQUET\nLOCATION {literal(f'{place}/')}{projected};"
    )


def _trino(table: Relation) -> Iterator[str]:
    place, name = literal(f"{table.on_s3}/"), table.name
    if table.layout == "iceberg":
        yield f"SELECT count(*) FROM iceberg.{table.schema}.{name};"
        return
    if table.layout == "delta":
        yield f"CALL delta.system.register_table('{table.schema}', '{name}', {place});"
        return
    stored = f"hive.{table.schema}.{name}" + ("_log" if table.layout == "log" else "")
    columns = [f'    "{each}" {_type_in(TRINO, kind)}' for each, kind in table.columns.items()]
    options = [f"external_location = {place}", "format = 'PARQUET'"]
    if table.dated_by:
        columns.append(f'    "{table.dated_by}" date')
        options.append(f"partitioned_by = ARRAY['{table.dated_by}']")
    listed = ",\n".join(columns)
    yield f"CREATE TABLE {stored} (\n{listed}\n)\nWITH ({', '.join(options)});"
    if table.layout == "log":
        current = table.current_rows(stored)
        yield f"CREATE OR REPLACE VIEW hive.{table.schema}.{name} AS\n{current};"
    if table.dated_by:
        yield f"CALL hive.system.sync_partition_metadata('{table.schema}', '{name}', 'FULL');"


def _type_in(dialect: str, kind: str) -> str:
    """The name of a DuckDB type in another dialect; tables in Hive's layout have no time zones."""
    name = exp.DataType.build(kind, dialect="duckdb").sql(dialect).lower()
    return name.replace("timestamp with time zone", "timestamp")


def _polars_opening(relations: Sequence[Relation]) -> Iterator[str]:
    yield "import polars as pl"
    if any(each.layout == "iceberg" for each in relations):
        catalogs = {each.catalog for each in relations}
        yield "from pyiceberg.catalog import load_catalog"
        root = relations[0].place.rsplit("/", 2)[0]
        yield (
            f'catalog = load_catalog(type="sql", uri={f"sqlite:///{root}/catalog.db"!r})'
            if catalogs == {None}
            else 'catalog = load_catalog("glue", type="glue")'
            if catalogs == {GLUE}
            else f'catalog = load_catalog("{relations[0].catalog}")'
        )


def _polars(table: Relation) -> Iterator[str]:
    files = f"{table.place}/*.parquet"
    scanned = {
        "dates": f"pl.scan_parquet({f'{table.place}/*/*.parquet'!r}, hive_partitioning=True)",
        "delta": f"pl.scan_delta({table.place!r})",
        "iceberg": f'pl.scan_iceberg(catalog.load_table("{table.schema}.{table.name}"))',
    }.get(table.layout, f"pl.scan_parquet({files!r})")
    if table.layout == "log":
        definition = TABLES[table.name]
        types = ", ".join(
            f"'{column}': {POLARS_TYPES[kind]}" for column, kind in table.columns.items()
        )
        versions = f"pl.scan_parquet({files!r}, schema={{{types}}}, missing_columns='insert')"
        order, key = [definition.newest_by, LOAD_ID], list(definition.key)
        scanned = f"{versions}.sort({order}).unique({key}, keep='last', maintain_order=True)"
    yield f"{table.name} = {scanned}"


def _snowflake_opening(relations: Sequence[Relation]) -> Iterator[str]:
    if any(each.layout in ("files", "dates", "log") for each in relations):
        bucket = "/".join((relations[0].on_s3.split("/"))[:3])
        yield (
            f"CREATE STAGE IF NOT EXISTS bedrock_files URL = '{bucket}/'\n"
            "STORAGE_INTEGRATION = MY_INTEGRATION "
            "FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE);"
        )


def _snowflake(table: Relation) -> Iterator[str]:
    path = table.on_s3.removeprefix("s3://").partition("/")[2]
    if table.layout in ("delta", "iceberg"):
        place = (
            f"BASE_LOCATION = {literal(path)}"
            if table.layout == "delta"
            else f"CATALOG_NAMESPACE = '{table.schema}' CATALOG_TABLE_NAME = '{table.name}'"
        )
        yield (
            f"CREATE ICEBERG TABLE {table.name}\n"
            f"EXTERNAL_VOLUME = 'MY_VOLUME' CATALOG = 'MY_CATALOG_INTEGRATION'\n{place};"
        )
        return
    values = [
        f"$1:{identifier(name)}::{SNOWFLAKE_TYPES.get(kind, kind.lower())} AS {identifier(name)}"
        for name, kind in table.columns.items()
    ]
    if day := table.dated_by:
        folder = f"REGEXP_SUBSTR(METADATA$FILENAME, '{day}=([^/]+)', 1, 1, 'e')"
        values.append(f"TRY_TO_DATE({folder}) AS {day}")
    listed = ",\n    ".join(values)
    select = f"SELECT\n    {listed}\nFROM @bedrock_files/{path}/ (PATTERN => '.*[.]parquet')"
    if table.layout != "log":
        yield f"CREATE OR REPLACE VIEW {table.name} AS\n{select};"
        return
    yield f"CREATE OR REPLACE VIEW {table.name}_log AS\n{select};"
    yield f"CREATE OR REPLACE VIEW {table.name} AS\n{table.current_rows(f'{table.name}_log')};"


Opening = Callable[[Sequence[Relation]], Iterable[str]]
Reading = Callable[[Relation], Iterable[str]]
ENGINES: Final[Mapping[str, tuple[Opening, Reading]]] = {
    "-- DuckDB": (_duckdb_opening, _duckdb),
    "-- Spark": (_no_opening, _spark),
    "-- Athena": (_no_opening, _athena),
    "-- Trino": (_no_opening, _trino),
    "# Polars (Python)": (_polars_opening, _polars),
    "-- Snowflake": (_snowflake_opening, _snowflake),
}
FOR_ROWS: Final = ("-- DuckDB", "-- Spark", "-- Athena")
