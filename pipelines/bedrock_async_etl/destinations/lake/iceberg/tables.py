"""The tables of a lake in an Iceberg catalog."""

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME
from bedrock_async_etl.destinations.lake.iceberg.catalog import location, open_catalog
from bedrock_async_etl.destinations.lake.iceberg.data_files import DAYS, schema_of, sorted_by
from bedrock_async_etl.destinations.lake.iceberg.snapshots import (
    LOAD,
    PROGRESS,
    has_load,
    replace_files,
    retry_on_conflict,
    stored_progress,
)
from bedrock_async_etl.destinations.lake.iceberg.upserts import upserted
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_invokes.columns import (
    ASYNC_INVOKES,
    EXTRACT_RUNS,
    TABLES,
    VANISHED_INVOKES,
    Table,
    no_rows,
)

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.sorting import SortOrder

LAKE: Final = "bedrock-async-etl.lake"
"""Property of a table: the lake that it belongs to."""
PROPERTIES: Final = {
    "format-version": "2",
    "commit.retry.num-retries": "0",  # A commit that is tried again has to read the rows again.
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "2",
    "write.parquet.compression-codec": "zstd",
}
IN_OUR_PLACES: Final = {
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
    "write.object-storage.enabled": "false",  # Data files are in the table's data folder.
}
"""Properties of tables in places of ours; a REST catalog chooses its own places."""
IN_ORDER: Final = (VANISHED_INVOKES.name, EXTRACT_RUNS.name, ASYNC_INVOKES.name)
"""The progress goes with the invocations: a load stopped before that commits all of it again."""
Identifier = tuple[str, str]
"""Namespace and name of a table."""


class IcebergTables:
    """The tables of a lake, in its catalog."""

    def __init__(self, files: LakeFiles, catalog_name: str | None) -> None:
        self.files, self._name = files, catalog_name

    @cached_property
    def catalog(self) -> "Catalog":
        """The catalog; raises `CommandError` where it cannot be opened."""
        return open_catalog(self.files, self._name)

    @property
    def catalog_type(self) -> str:
        """The catalog's kind, as pyiceberg calls it, such as `sql`, `glue` and `rest`."""
        from pyiceberg.catalog import infer_catalog_type

        properties = self.catalog.properties
        if (given := properties.get("type", "")) or "py-catalog-impl" in properties:
            return str(given).lower()
        inferred = infer_catalog_type(self.catalog.name, {"uri": properties["uri"]})
        return "" if inferred is None else str(inferred.value)

    def find(self, identifier: Identifier) -> "IcebergTable | None":
        """A table, once there is one; raises `CommandError` for one of another lake."""
        table = self._load(identifier)
        if table and (owner := table.properties.get(LAKE)) != self.files.url:
            raise CommandError(
                f"The catalog's table {'.'.join(identifier)} belongs to "
                f"{owner or 'something else'}, not to {self.files.url}: use another catalog."
            )
        return table

    def find_own(self, identifier: Identifier) -> "IcebergTable | None":
        """The same, but None for one of another lake."""
        table = self._load(identifier)
        return table if table and table.properties.get(LAKE) == self.files.url else None

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
        place = self.place(identifier)
        try:
            self.catalog.create_namespace_if_not_exists(namespace)
        except Exception:  # Of SQL, where another worker has just made it.
            if not self.catalog.namespace_exists(namespace):
                raise
        return self.catalog.create_table_if_not_exists(
            identifier,
            schema,
            place,
            spec or UNPARTITIONED_PARTITION_SPEC,
            order or UNSORTED_SORT_ORDER,
            {**PROPERTIES, **(IN_OUR_PLACES if place else {}), **properties, LAKE: self.files.url},
        )

    def place(self, identifier: Identifier) -> str | None:
        """The place of a table in the lake's folder; None where a REST catalog chooses it."""
        if self.catalog_type == "rest":
            return None
        return f"{location(self.files)}/{'/'.join(identifier)}"

    def progress(self) -> Mapping[str, str]:
        """By pipeline, the load that left the progress that goes with the rows."""
        table = self.find((DATASET_NAME, ASYNC_INVOKES.name))
        return {} if table is None else stored_progress(table)

    def names(self) -> Sequence[Identifier]:
        """The names of all tables that the lake has or may have, models among them."""
        models = []
        if self.catalog.namespace_exists(ANALYTICS_NAME):
            models = [
                (ANALYTICS_NAME, each[-1]) for each in self.catalog.list_tables(ANALYTICS_NAME)
            ]
        return [*((DATASET_NAME, name) for name in TABLES), *models]

    def purge_models(self, kept: AbstractSet[str]) -> None:
        """Remove the tables of all models of the lake but for some."""
        for namespace, name in self.names():
            is_useless = namespace == ANALYTICS_NAME and name not in kept
            if is_useless and self.find_own((namespace, name)):
                self.catalog.purge_table((namespace, name))

    def commit(
        self, rows: Mapping[str, pa.Table], load_id: str, progress: Mapping[str, str]
    ) -> None:
        """Commit a load. The invocations come last, in one snapshot with the progress.

        A load that was stopped may commit the same rows again.
        """
        if self.find((DATASET_NAME, ASYNC_INVOKES.name)) is None:
            for name in IN_ORDER:
                self._create(TABLES[name])
        for name in IN_ORDER:
            found = rows.get(name, no_rows(TABLES[name].stored_schema))
            known = progress if name == ASYNC_INVOKES.name else {}
            if found.num_rows or known:
                self._upsert(name, found, load_id, known)

    def _upsert(self, name: str, rows: pa.Table, load_id: str, progress: Mapping[str, str]) -> None:
        definition = TABLES[name]

        def attempt() -> None:
            table = self.find((DATASET_NAME, name)) or self._create(definition)
            if has_load(table, load_id):
                return
            properties = {LOAD: load_id}
            if known := dict(stored_progress(table)) | dict(progress):
                properties[PROGRESS] = json.dumps(known, sort_keys=True)
            added, removed = upserted(table, definition, rows) if rows.num_rows else ((), ())
            replace_files(table, added, removed, properties)

        retry_on_conflict(attempt)

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
