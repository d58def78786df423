"""Formats of a lake's invocations. Each module of a kind that is a lake has one, its `Format`."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.dataset
from dlt.destinations.impl.filesystem.filesystem import ReferenceFollowupJob

from bedrock_async_etl.destinations.database.model_tables import Fingerprint, Fingerprints
from bedrock_async_etl.destinations.lake.model_files import ModelFiles
from bedrock_async_etl.errors import UsageError, require
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_invokes.columns import Table

Layout = Literal["files", "dates", "log", "delta", "iceberg"]
"""Of a table: Parquet files in a folder, or in a folder for each date; a log, which has old
versions of rows, too; a table of a format."""


@dataclass(frozen=True)
class Compaction:
    """The compaction of one table."""

    table: str
    files_before: int
    files_after: int
    """Once replaced ones are removed."""
    rows_rewritten: int
    removed: int
    """Files that earlier compactions had replaced."""


@dataclass(frozen=True)
class LakeCompaction:
    """The compaction of a lake by a run."""

    tables: Sequence[Compaction] = ()
    error: str | None = None
    """Reason why the files could not be merged."""

    @property
    def message(self) -> str:
        """The result, in one line."""
        if self.error:
            return f"The lake was not compacted, the next run tries again: {self.error}"
        before = sum(table.files_before for table in self.tables)
        after = sum(table.files_after for table in self.tables)
        return f"Compacted the lake: {before:,} files into {after:,}."


class LakeFormat(ABC):
    """The tables of a lake, in one format."""

    write_hints: ClassVar[Mapping[str, Any]] = {}
    """dlt's hints for the invocations, which are appended to a log without them."""
    load_job: ClassVar[type[ReferenceFollowupJob] | None] = None
    """dlt's job that loads a package's files; None puts them into the table's folder."""
    partitioned_by: ClassVar[str | None] = None
    """Column of the invocations that is in folder names, and need not be in files."""
    unreadable: ClassVar[re.Pattern[str] | None] = None
    """A character that no name in the path of such a lake may have."""
    needs: ClassVar[tuple[str, str] | None] = None
    """A package that it cannot do without, and the extra that has it."""

    def __init__(self, files: LakeFiles, catalog: str | None = None) -> None:
        """Raise `CommandError` where its package is not installed."""
        if self.needs:
            require(*self.needs, f"--destination {type(self).__module__.rpartition('.')[2]}")
        self.files, self.catalog = files, catalog

    def client_class(self, plain: type[Any]) -> type[Any]:
        """dlt's client that loads the lake: the plain one, unless the format has its own."""
        return plain

    @abstractmethod
    def layout(self, name: str) -> Layout:
        """The layout of a table or a model."""

    def is_log(self, name: str) -> bool:
        """True if a table may have old versions of a row."""
        return self.layout(name) == "log"

    @abstractmethod
    def has_rows(self) -> bool:
        """True if any invocation is stored."""

    @property
    def catalog_type(self) -> str | None:
        """The kind of the catalog that has the tables, as pyiceberg calls it."""
        return None

    def metadata_file(self, identifier: tuple[str, str]) -> str | None:
        """The URL of a table's newest metadata, by schema and name, in a format that has it."""
        return None

    def named_progress(self) -> Mapping[str, str]:
        """By pipeline, the load whose progress file must stay, however old it is."""
        return {}

    def check_new(self) -> None:
        """Raise `UsageError` where a new lake cannot be made."""
        if self.catalog:
            raise UsageError("--catalog goes with --destination iceberg.")

    def model_files(self) -> ModelFiles:
        """The files of the lake's models."""
        return ModelFiles(self.files)

    @abstractmethod
    def rows(self, table: Table) -> pa.dataset.Dataset | pa.Table:
        """A table as the lake has it; without rows where it has none yet."""

    @abstractmethod
    def data_files(self, name: str) -> Sequence[str]:
        """Paths of a table's files that readers read now."""

    @abstractmethod
    def fingerprints(
        self, before: Fingerprints, read: Sequence[str]
    ) -> tuple[Fingerprints, Sequence[str]]:
        """Fingerprints of the invocations by date, and the names of the files behind them.

        `before` and `read` are those that the models know.
        """

    @abstractmethod
    def compact(self, grace_seconds: float) -> Sequence[Compaction]:
        """Merge small files; replaced ones stay for so many seconds."""

    @abstractmethod
    def is_compaction_due(self, after: int) -> bool:
        """True once more than so many runs have left files that can be merged."""


def fingerprints_of(files: Mapping[date | None, Sequence[tuple[str, int]]]) -> Fingerprints:
    """Fingerprints by date, of names and rows of files, where no name is ever used again."""
    return {
        day: Fingerprint(
            sum(rows for _, rows in places),
            hashlib.sha256(repr(sorted(path for path, _ in places)).encode()).hexdigest(),
        )
        for day, places in files.items()
    }
