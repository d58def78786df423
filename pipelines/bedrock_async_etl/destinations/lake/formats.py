"""Formats of a lake's invocations. Each module of a kind that is a lake has one, its `FORMAT`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlt.destinations.impl.filesystem.filesystem import ReferenceFollowupJob

from bedrock_async_etl.destinations import find_kind
from bedrock_async_etl.destinations.database.model_tables import Fingerprints
from bedrock_async_etl.files.object_store import LakeFiles


@dataclass(frozen=True)
class Compaction:
    """The compaction of one table."""

    table: str
    files_before: int
    files_after: int
    """Once those replaced are removed."""
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


@dataclass(frozen=True)
class LakeFormat:
    """Functions and hints that keep the invocations in one format."""

    data_files: Callable[[LakeFiles], Sequence[str]]
    """Paths of the files that readers read now."""
    fingerprints: Callable[
        [LakeFiles, Fingerprints, Sequence[str]], tuple[Fingerprints, Sequence[str]]
    ]
    """By date, of those that the models know, and the names of the files that they were made of."""
    compact: Callable[[LakeFiles, float], Compaction]
    """Merges small files; those replaced stay for so many seconds."""
    write_hints: Mapping[str, Any] = field(default_factory=dict)
    """dlt's hints for the resource, which is appended to a log without them."""
    load_job: type[ReferenceFollowupJob] | None = None
    """dlt's job that loads a package's files; None puts them into the table's folder."""
    partitioned_by: str | None = None
    """Column that the folders' names have, and the files need not."""


def find_format(name: str) -> LakeFormat:
    """The format of that name."""
    found: LakeFormat = find_kind(name).FORMAT
    return found
