"""Tables in an Iceberg catalog, of which a commit rewrites the days that it touches.

pyiceberg's own `upsert` compares every column of every row, and its overwrites make one snapshot
for what they remove and one for what they add. Here the files of a day take the place of its former
ones, in one snapshot, by pyiceberg's public means.
"""

import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME
from bedrock_async_etl.destinations.lake.commits import newest_versions, with_retries
from bedrock_async_etl.destinations.lake.formats import Compaction
from bedrock_async_etl.destinations.lake.model_files import NO_DATE
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_invokes.columns import ASYNC_INVOKES, EXTRACT_RUNS, TABLES, Table, no_rows

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.partitioning import PartitionKey, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, Transaction
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.sorting import SortOrder

DAYS: Final = {ASYNC_INVOKES.name: "submit_time", EXTRACT_RUNS.name: "started_at"}
"""Columns by whose UTC day a table is partitioned. A vanished invocation may come back and vanish
again on another day, so that those are not."""
BUSY_SECONDS: Final = 60
"""Time for which a catalog in a SQLite file is waited for."""
LOAD: Final = "bedrock-async-etl.load-id"
PROGRESS: Final = "bedrock-async-etl.progress"
"""Properties of a snapshot: the load that made it, and of each pipeline the load whose progress
goes with the rows."""
LAKE: Final = "bedrock-async-etl.lake"
"""Property of a table: the lake that it belongs to."""
PROPERTIES: Final = {
    "format-version": "2",
    "commit.retry.num-retries": "0",  # A commit that is tried again has to read the rows again.
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "2",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
    "write.parquet.compression-codec": "zstd",
}
DATA_FOLDER: Final = "data"
"""Of a table, where pyiceberg puts its data files."""
MANY_MANIFESTS: Final = 8
ABANDONED_AFTER: Final = timedelta(days=1)
EPOCH: Final = date(1970, 1, 1)
NOT_INSTALLED: Final = (
    "A lake of Iceberg needs the extra `iceberg`: pip install 'bedrock-async-etl[iceberg]'."
)
Identifier = tuple[str, str]
"""Namespace and name of a table."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Change:
    """Files that take the place of others."""

    added: Sequence["DataFile"] = ()
    removed: Sequence["DataFile"] = ()


class IcebergTables:
    """The tables of a lake, in its catalog."""

    def __init__(self, files: LakeFiles, catalog_name: str | None) -> None:
        self.url = files.url
        self._files, self._name = files, catalog_name

    @cached_property
    def catalog(self) -> "Catalog":
        """The catalog; raises `CommandError` where it cannot be opened."""
        return open_catalog(self._files, self._name)

    def find(self, identifier: Identifier) -> "IcebergTable | None":
        """A table, once there is one; raises `CommandError` for one of another lake."""
        table = self._load(identifier)
        if table is None:
            return None
        if (owner := table.properties.get(LAKE)) != self._files.url:
            raise CommandError(
                f"The catalog's table {'.'.join(identifier)} belongs to "
                f"{owner or 'something else'}, not to {self._files.url}: use another catalog."
            )
        return table

    def _load(self, identifier: Identifier) -> "IcebergTable | None":
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        try:
            return self.catalog.load_table(identifier)
        except (NoSuchTableError, NoSuchNamespaceError):
            return None
        except FileNotFoundError as error:
            raise CommandError(
                f"The catalog has the table {'.'.join(identifier)}, whose files are gone: drop it, "
                f"or restore them. {error}"
            ) from error

    def create(
        self,
        identifier: Identifier,
        schema: "Schema | pa.Schema",
        spec: "PartitionSpec | None" = None,
        order: "SortOrder | None" = None,
        properties: Mapping[str, str] = MappingProxyType({}),
    ) -> "IcebergTable":
        """A new table, or the one that another process has just made."""
        from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
        from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

        namespace, _ = identifier
        try:
            self.catalog.create_namespace_if_not_exists(namespace)
        except Exception:  # Of SQL, where another worker was faster by a moment.
            if not self.catalog.namespace_exists(namespace):
                raise
        return self.catalog.create_table_if_not_exists(
            identifier,
            schema,
            self.place(identifier),
            spec or UNPARTITIONED_PARTITION_SPEC,
            order or UNSORTED_SORT_ORDER,
            {**PROPERTIES, **properties, LAKE: self._files.url},
        )

    def place(self, identifier: Identifier) -> str | None:
        """The place of a table in the lake's folder; None where a REST catalog chooses it."""
        from pyiceberg.catalog.rest import RestCatalog

        if isinstance(self.catalog, RestCatalog):
            return None
        return f"{location(self._files)}/{'/'.join(identifier)}"

    def tasks(self, name: str) -> Sequence["FileScanTask"]:
        """The files of a table that have its rows now."""
        table = self.find((DATASET_NAME, name))
        return [] if table is None else list(table.scan().plan_files())

    def progress(self) -> Mapping[str, str]:
        """By pipeline, the load that left the progress that goes with the rows."""
        table = self.find((DATASET_NAME, ASYNC_INVOKES.name))
        return {} if table is None else _progress(table)

    def names(self) -> Sequence[Identifier]:
        """The names of all tables that the lake has or may have, models among them."""
        models = []
        if self.catalog.namespace_exists(ANALYTICS_NAME):
            models = [
                (ANALYTICS_NAME, each[-1]) for each in self.catalog.list_tables(ANALYTICS_NAME)
            ]
        return [*((DATASET_NAME, name) for name in TABLES), *models]

    def compact(
        self, identifier: Identifier, grace_seconds: float, kept: AbstractSet[str] = frozenset()
    ) -> Compaction:
        """Expire the snapshots of a table that were replaced so many seconds ago.

        Files that no snapshot has any more are removed but for those `kept`, by their names, and
        those of commits that never came to an end, once they are a day old.
        """
        table = self._load(identifier)
        if table is None or table.properties.get(LAKE) != self.url:
            return Compaction(identifier[-1], 0, 0, 0, 0)
        before = _files_of(table)
        if len(_manifests(table)) > MANY_MANIFESTS:
            tried_again(partial(self._merge_manifests, identifier))
            table = self.catalog.load_table(identifier)
        tried_again(partial(self._expire, identifier, grace_seconds))
        table = self.catalog.load_table(identifier)
        after = _files_of(table)
        old = datetime.now(UTC) - ABANDONED_AFTER
        removed = [
            each.path
            for each in _listed(table, self._files)
            if each.path not in after.all
            and each.base_name not in kept
            and (each.path in before.all or each.mtime < old)
        ]
        for path in removed:
            self._files.arrow_filesystem.delete_file(path)
        return Compaction(identifier[-1], len(before.data), len(after.data), 0, len(removed))

    def _expire(self, identifier: Identifier, grace_seconds: float) -> None:
        table = self.catalog.load_table(identifier)
        if expired := replaced_snapshots(table, grace_seconds):
            table.maintenance.expire_snapshots().by_ids(expired).commit()

    def _merge_manifests(self, identifier: Identifier) -> None:
        """Commit nothing, in the way that merges manifests.

        pyiceberg's overwrites keep those that have nothing but files that were deleted.
        """
        table = self.catalog.load_table(identifier)
        known = {PROGRESS: json.dumps({**_progress(table)}, sort_keys=True)}
        with (
            table.transaction() as transaction,
            transaction.update_snapshot(snapshot_properties=known).merge_append(),
        ):
            pass

    def commit(
        self, rows: Mapping[str, pa.Table], load_id: str, progress: Mapping[str, str]
    ) -> None:
        """Commit a load. The invocations come last, in one snapshot with the progress.

        Whatever a load that is stopped has committed before, it may commit again.
        """
        names = sorted(TABLES, key=ASYNC_INVOKES.name.__eq__)
        if self.find((DATASET_NAME, ASYNC_INVOKES.name)) is None:
            for name in names:
                self._create(TABLES[name])
        for name in names:
            found = rows.get(name, no_rows(TABLES[name].stored_schema))
            is_last = name == ASYNC_INVOKES.name
            if found.num_rows or (is_last and progress):
                self._upsert(name, found, load_id, progress if is_last else {})

    def _upsert(self, name: str, rows: pa.Table, load_id: str, progress: Mapping[str, str]) -> None:
        definition = TABLES[name]

        def attempt() -> None:
            table = self.find((DATASET_NAME, name)) or self._create(definition)
            if load_id in (each.summary[LOAD] for each in _ours(table)):
                return
            properties = {LOAD: load_id}
            if known := dict(_progress(table)) | dict(progress):
                properties[PROGRESS] = json.dumps(known, sort_keys=True)
            change = upserted(table, definition, rows) if rows.num_rows else Change()
            replace_files(table, change, properties)

        tried_again(attempt)

    def _create(self, definition: Table) -> "IcebergTable":
        """A new table, or the one that another worker has just made."""
        from pyiceberg.partitioning import PartitionField, PartitionSpec
        from pyiceberg.table.sorting import SortField, SortOrder
        from pyiceberg.transforms import DayTransform, IdentityTransform

        schema = schema_of(definition)
        number = {each.name: each.field_id for each in schema.fields}
        days = [DAYS[name] for name in [definition.name] if name in DAYS]
        return self.create(
            (DATASET_NAME, definition.name),
            schema,
            PartitionSpec(
                *(PartitionField(number[day], 1000, DayTransform(), f"{day}_day") for day in days)
            ),
            SortOrder(
                *(SortField(number[name], IdentityTransform()) for name in sorted_by(definition))
            ),
        )


def open_catalog(files: LakeFiles, name: str | None) -> "Catalog":
    """The catalog of that name in pyiceberg's configuration, or the lake's own SQLite file.

    A kind of catalog, such as `glue`, needs no configuration. Raises `CommandError` without the
    extra, and for a catalog that cannot be opened.
    """
    try:
        from pyiceberg.catalog import load_catalog
        from pyiceberg.utils.config import Config
    except ModuleNotFoundError:
        raise CommandError(NOT_INSTALLED) from None
    properties: dict[str, Any] = {}
    if name is None:
        properties = {
            "type": "sql",
            "uri": f"sqlite:///{files.root}/catalog.db?timeout={BUSY_SECONDS}",
        }
    configured = Config().get_catalog_config(name) if name else None
    if name and not configured:
        properties["type"] = name
    own = {**_s3_properties(files), **properties}
    own = {key: value for key, value in own.items() if key not in (configured or {})}
    logging.getLogger("pyiceberg.io.pyarrow").setLevel(logging.ERROR)  # Of columns without values.
    try:
        catalog = load_catalog(name or "default", **own)
        setattr(catalog, "commit_table", _confirmed(catalog))  # noqa: B010, as mypy wants it
        return catalog
    except Exception as error:  # pyiceberg's, and those of whatever library the catalog has.
        raise CommandError(f"Cannot open the catalog {name or 'of the lake'}: {error}") from error


def _confirmed(catalog: "Catalog") -> Callable[..., Any]:
    """The catalog's `commit_table`, which takes no commit for failed that the table has.

    Where an answer is lost, the call is repeated, and refused as the table has changed. pyiceberg
    would then remove the files of the snapshot that the table has.
    """
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.table import CommitTableResponse
    from pyiceberg.table.update import AddSnapshotUpdate

    commit = catalog.commit_table

    def call(table: Any, requirements: Any, updates: Any) -> Any:
        try:
            return commit(table, requirements, updates)
        except CommitFailedException:
            ids = [e.snapshot.snapshot_id for e in updates if isinstance(e, AddSnapshotUpdate)]
            found = catalog.load_table(table.name())
            if not ids or not all(found.metadata.snapshot_by_id(each) for each in ids):
                raise
            return CommitTableResponse.model_validate(
                {"metadata": found.metadata, "metadata-location": found.metadata_location}
            )

    return call


def _s3_properties(files: LakeFiles) -> dict[str, str]:
    """pyiceberg's options for the lake's bucket, with boto3's keys."""
    if files.credentials is None:
        return {}
    keys = files.credentials.to_session_credentials()
    found = {
        "s3.access-key-id": keys["aws_access_key_id"],
        "s3.secret-access-key": keys["aws_secret_access_key"],
        "s3.session-token": keys["aws_session_token"],
        "s3.region": files.credentials.region_name,
        "s3.endpoint": files.credentials.endpoint_url,
    }
    return {name: str(value) for name, value in found.items() if value}


def location(files: LakeFiles) -> str:
    """The lake's URL as pyiceberg has it, which takes a path for what it is."""
    return f"file://{files.root}" if files.is_local else files.url


def path_of(uri: str) -> str:
    """The path of a file, as Arrow's file systems have it."""
    return uri.partition("://")[2] or uri


def schema_of(definition: Table) -> "Schema":
    """The Iceberg schema of a table, with the meanings of its columns."""
    from pyiceberg import types
    from pyiceberg.schema import Schema

    kinds: dict[pa.DataType, Any] = {
        pa.string(): types.StringType,
        pa.int64(): types.LongType,
        pa.bool_(): types.BooleanType,
        pa.date32(): types.DateType,
        pa.timestamp("us", tz="UTC"): types.TimestamptzType,
    }
    meanings = {each.name: each.meaning for each in definition.columns}
    return Schema(
        *(
            types.NestedField(
                number,
                each.name,
                kinds[each.type](),
                required=not each.nullable,
                doc=meanings.get(each.name, "Load of dlt."),
            )
            for number, each in enumerate(definition.stored_schema, 1)
        )
    )


def sorted_by(definition: Table) -> Sequence[str]:
    """The columns by which the rows of a file are sorted."""
    day = DAYS.get(definition.name)
    return [*([day] if day else []), *definition.key]


def upserted(table: "IcebergTable", definition: Table, rows: pa.Table) -> Change:
    """The files of the days of some rows, with the newest version of each row.

    Files of other days are not read.
    """
    with_all_columns(table, definition)
    days = by_day(rows, DAYS.get(definition.name))
    stored = _files_by_day(table, days) if table.current_snapshot() else {}
    day_column = DAYS.get(definition.name)
    removed: list[DataFile] = []

    def parts() -> Iterator[Part]:
        for day, new in days.items():
            tasks = stored.get(day, [])
            old = read(table, tasks)
            same = new.select(old.column_names).cast(old.schema)
            merged = newest_versions(pa.concat_tables([old, same]), definition)
            removed.extend(task.file for task in tasks)
            yield Part(
                unique_name(str(day or NO_DATE)),
                merged.sort_by([(name, "ascending") for name in sorted_by(definition)]),
                partition_of(table, day) if day_column else None,
            )

    return Change(write(table.io, table.metadata, parts()), removed)


def with_all_columns(table: "IcebergTable", definition: Table) -> None:
    """Add the columns that a newer version of this program has."""
    if definition.stored_schema.names != list(table.schema().column_names):
        with table.update_schema() as update:
            update.union_by_name(schema_of(definition))


def by_day(rows: pa.Table, column: str | None) -> dict[date | None, pa.Table]:
    """The rows of each day of a column in UTC; all of them as of no day without one."""
    if column is None:
        return {None: rows}
    days = pc.cast(rows[column], pa.date32())
    found = {
        day: rows.filter(pc.equal(days, pa.scalar(day, pa.date32())))
        for day in sorted(days.unique().drop_null().to_pylist())
    }
    if days.null_count:
        found[None] = rows.filter(days.is_null())
    return found


def _files_by_day(
    table: "IcebergTable", days: Mapping[date | None, Any]
) -> Mapping[date | None, Sequence["FileScanTask"]]:
    """The files of the days; manifests of other days are not read."""
    known = [day for day in days if day is not None]
    condition = "true"
    if len(known) == len(days):
        column, end = DAYS[table.name()[-1]], max(known) + timedelta(days=1)
        condition = f"{column} >= '{_start(min(known))}' and {column} < '{_start(end)}'"
    found: dict[date | None, list[FileScanTask]] = defaultdict(list)
    for task in table.scan(row_filter=condition).plan_files():
        found[day_of(task.file)].append(task)
    return found


def day_of(file: "DataFile") -> date | None:
    """The day of a file's rows; None for those without one, and in tables without days."""
    number = file.partition[0] if len(file.partition) else None
    return None if number is None else EPOCH + timedelta(days=number)


def _start(day: date) -> str:
    return datetime.combine(day, datetime.min.time(), UTC).isoformat()


def read(table: "IcebergTable", tasks: Sequence["FileScanTask"]) -> pa.Table:
    """The rows of some files of a table, less those that another writer has deleted."""
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.io.pyarrow import ArrowScan

    return ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue()).to_table(tasks)


@dataclass(frozen=True)
class Part:
    """Rows of a new file."""

    name: str
    """Of the file, without its suffix."""
    rows: pa.Table
    partition: "PartitionKey | None" = None


def unique_name(part: str) -> str:
    """The name of a file that begins with that of its part."""
    return f"{part}_{uuid4()}"


def write(io: "FileIO", metadata: "TableMetadata", parts: Iterable[Part]) -> list["DataFile"]:
    """New files of a table, one for each part; no snapshot has them yet."""
    from pyiceberg.io.pyarrow import write_file
    from pyiceberg.table import WriteTask

    class NamedTask(WriteTask):
        def generate_data_file_filename(self, extension: str) -> str:
            return f"{names[self.task_id]}.{extension}"

    names: list[str] = []

    def tasks() -> Iterator[WriteTask]:
        for part in parts:
            schema = metadata.schema()
            batches = part.rows.to_batches() or [pa.RecordBatch.from_pylist([], part.rows.schema)]
            names.append(part.name)
            number = len(names) - 1
            yield NamedTask(uuid4(), number, schema, batches, partition_key=part.partition)

    return list(write_file(io, metadata, tasks()))


def partition_of(table: "IcebergTable", day: date | None) -> "PartitionKey":
    """The partition of a day, in a table that has days."""
    from pyiceberg.partitioning import PartitionFieldValue, PartitionKey

    [field] = table.spec().fields
    number = None if day is None else (day - EPOCH).days
    return PartitionKey([PartitionFieldValue(field, number)], table.spec(), table.schema())


def replace_files(table: "IcebergTable", change: Change, properties: Mapping[str, str]) -> None:
    """Commit a change as one snapshot. Its files are removed if the table changed meanwhile."""
    from pyiceberg.exceptions import CommitFailedException, ValidationException

    try:
        with table.transaction() as transaction:
            stage_files(transaction, change, properties)
    except (CommitFailedException, ValidationException):
        for file in change.added:
            with suppress(OSError):
                table.io.delete(file.file_path)
        raise


def stage_files(
    transaction: "Transaction",
    change: Change,
    properties: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Make a change the one snapshot of a transaction."""
    with transaction.update_snapshot(snapshot_properties={**properties}).overwrite() as snapshot:
        for file in change.removed:
            snapshot.delete_data_file(file)
        for file in change.added:
            snapshot.append_data_file(file)


def replaced_snapshots(table: "IcebergTable", grace_seconds: float) -> list[int]:
    """The ids of snapshots that another one replaced so many seconds ago.

    Those that have a name, and the one that has the progress, stay.
    """
    until = (time.time() - grace_seconds) * 1_000
    kept = {each.snapshot_id for each in table.metadata.refs.values()}
    if with_progress := _with_progress(table):
        kept.add(with_progress.snapshot_id)
    return [
        old.snapshot_id
        for new, old in pairwise(_ancestors(table))
        if new.timestamp_ms <= until and old.snapshot_id not in kept
    ]


@dataclass(frozen=True)
class StoredFiles:
    """Paths of the files that some snapshot of a table has."""

    data: AbstractSet[str]
    all: AbstractSet[str]


def _files_of(table: "IcebergTable") -> StoredFiles:
    manifests = {
        manifest.manifest_path: manifest
        for snapshot in table.snapshots()
        for manifest in snapshot.manifests(table.io)
    }
    data = {path_of(each.file_path) for each in _files_in(table, manifests.values())}
    others = [
        table.metadata_location,
        *(each.metadata_file for each in table.metadata.metadata_log),
        *(each.manifest_list for each in table.snapshots()),
        *manifests,
        *(each.statistics_path for each in table.metadata.statistics),
        *(each.statistics_path for each in table.metadata.partition_statistics),
    ]
    return StoredFiles(data, data | {path_of(each) for each in others})


def current_files(table: "IcebergTable") -> Sequence["DataFile"]:
    """The files of a table's current snapshot, with those that have no rows."""
    return _files_in(table, _manifests(table))


def _manifests(table: "IcebergTable") -> Sequence["ManifestFile"]:
    snapshot = table.current_snapshot()
    return snapshot.manifests(table.io) if snapshot else []


def _files_in(table: "IcebergTable", manifests: Iterable["ManifestFile"]) -> Sequence["DataFile"]:
    return [
        entry.data_file
        for manifest in manifests
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    ]


def _listed(table: "IcebergTable", files: LakeFiles) -> Sequence[fs.FileInfo]:
    """The files in the folders of a table's data and metadata."""
    root = path_of(table.location())
    selectors = [
        fs.FileSelector(f"{root}/{name}", allow_not_found=True, recursive=True)
        for name in (DATA_FOLDER, "metadata")
    ]
    found = [each for one in selectors for each in files.arrow_filesystem.get_file_info(one)]
    return [each for each in found if each.is_file]


def tried_again(call: Callable[[], Result]) -> Result:
    """The result of a commit, which is tried again while others commit to the same table."""
    from pyiceberg.exceptions import (
        CommitFailedException,
        CommitStateUnknownException,
        ValidationException,
    )

    conflicts = (CommitFailedException, CommitStateUnknownException, ValidationException)
    return with_retries(call, lambda error: isinstance(error, conflicts))


def _ours(table: "IcebergTable") -> Iterator[Any]:
    """The table's snapshots that this program made, from the current one back."""
    for snapshot in _ancestors(table):
        if snapshot.summary and LOAD in snapshot.summary.additional_properties:
            yield snapshot


def _ancestors(table: "IcebergTable") -> Iterator[Any]:
    """The current snapshot of a table, the one before it, and so on."""
    snapshot = table.current_snapshot()
    while snapshot is not None:
        yield snapshot
        parent = snapshot.parent_snapshot_id
        snapshot = None if parent is None else table.snapshot_by_id(parent)


def _progress(table: "IcebergTable") -> Mapping[str, str]:
    snapshot = _with_progress(table)
    found: Mapping[str, str] = json.loads(snapshot.summary[PROGRESS]) if snapshot else {}
    return found


def _with_progress(table: "IcebergTable") -> Any:
    """The newest snapshot that has the progress; another program's have none."""
    of_ours = (each for each in _ancestors(table) if each.summary and each.summary[PROGRESS])
    return next(of_ours, None)
