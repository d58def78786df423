"""The manifest of an export: `_manifest.json` beside the tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from fsspec import AbstractFileSystem

from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.parquet import Partition
from bedrock_async_etl.files.publication import STAGING, published_manifest
from bedrock_async_etl.files.urls import names_in

FORMAT: Final = 1


@dataclass(frozen=True)
class TableEntry:
    """A table: types are DuckDB's, by column; the column of the partitions is not among them."""

    columns: Mapping[str, str]
    partitioned_by: str | None
    partitions: Sequence[Partition]

    @property
    def folders(self) -> list[str]:
        return [partition.folder for partition in self.partitions]


@dataclass(frozen=True)
class Manifest:
    """The tables of an export by name."""

    format: int
    exported_at: datetime
    tables: Mapping[str, TableEntry]
    content: str | None = None
    """The exported database's; None where it was unknown, as in older versions."""

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of all files, by path."""
        return {
            file.path: file.bytes
            for table in self.tables.values()
            for partition in table.partitions
            for file in partition.files
        }

    def as_json(self) -> bytes:
        """The bytes of `_manifest.json`."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


def read_manifest(fs: AbstractFileSystem, root: str, url: str) -> Manifest | None:
    """The manifest of the last export; None where there is nothing yet.

    Raises `CommandError` for a folder with other things in it, and for a newer format.
    """
    content = published_manifest(fs, root)
    if content is None:
        _refuse_others(fs, root, url)
        return None
    try:
        written = msgspec.json.decode(content, type=dict[str, object]).get("format")
        if isinstance(written, int) and written > FORMAT:
            raise CommandError(
                f"{url} was exported by a newer version (format {written}, this one knows "
                f"{FORMAT}): upgrade bedrock-async-etl."
            )
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        raise CommandError(
            f"{url}/_manifest.json is not the manifest of an export ({error}): export to another "
            "folder."
        ) from error


def _refuse_others(fs: AbstractFileSystem, root: str, url: str) -> None:
    if others := names_in(fs, root) - {STAGING, ""}:
        raise CommandError(
            f"{url} has other files in it ({min(others)}, for instance) and no export: give a "
            "folder of its own. Nothing was touched."
        )
