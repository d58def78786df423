"""Where commands are killed: a destination, an export of it, and the commands that write there."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.database.published_copy import find_publisher
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.lake.compaction import compact
from bedrock_async_etl.export.export import export
from bedrock_async_etl.files.urls import is_s3, open_url
from bedrock_async_etl.load import load
from tests.copies import CopyKind, Row, catalog_of, destination_of, rows_so_far
from tests.integration.places import empty_glue
from tests.integration.rest_catalog import empty_catalog, open_catalog
from tests.plain_rows import COMPARED

COMMANDS: Final = {
    "duckdb": ("run", "run", "run", "models", "export"),
    "parquet": ("run", "run", "run", "models", "export", "compact"),
    "delta": ("run", "run", "run", "models", "export", "compact"),
    "iceberg": ("run", "run", "run", "models", "export", "compact"),
}
KEYS: Final = {"extract_runs": "run_id, account_id, region", "vanished_invokes": "invocation_arn"}


@dataclass(frozen=True)
class Site:
    """A copy in a folder of its own, of which nothing may be there yet."""

    kind: CopyKind
    database: Path
    """Of the kind `duckdb`."""
    url: str
    """Of lakes, local or on S3; an export is beside them."""

    @property
    def destination(self) -> Destination:
        return destination_of(self.kind, self.database if self.kind == "duckdb" else self.url)

    @property
    def export_url(self) -> str:
        return f"{self.url}-export"

    @property
    def published(self) -> Path:
        """The copy of the database for readers."""
        return self.database.with_name("readers.duckdb")

    @property
    def written_folders(self) -> tuple[Path, ...]:
        """What a command writes on this machine is in these."""
        copies = self.database.parent, Path(self.url), Path(self.export_url)
        return *copies, self.destination.working_directory

    def arguments(self, command: str) -> list[str]:
        """The command line."""
        copy = ["--database", str(self.database)]
        if self.kind != "duckdb":
            copy = ["--lake", self.url]
        own = {
            "run": ["--publish", str(self.published)]
            if self.kind == "duckdb"
            else ["--destination", self.kind, *self.catalog],
            "export": [self.export_url],
            "compact": ["--grace", "0"],
        }
        return [command, *own.get(command, []), *copy]

    @property
    def catalog(self) -> list[str]:
        """The option that names the catalog of an Iceberg lake on S3."""
        catalog = catalog_of(self.kind, self.url)
        return ["--catalog", catalog] if catalog else []

    def complete(self, command: str) -> None:
        """Do what the command does, to its end."""
        destination = self.destination
        if command == "run":
            assert load(destination).exit_code == 0
        elif command == "export":
            with destination.connection() as connection:
                export(connection, self.export_url)
        elif isinstance(destination, LakeDestination):
            compact(destination, grace_seconds=0)

    def rows(self) -> list[Row]:
        """What a reader finds at any time."""
        return rows_so_far(self.destination)

    def published_rows(self) -> list[Row]:
        """What a reader of the copy finds, without what was left beside it."""
        return rows_so_far(destination_of("duckdb", self.published))

    def publish(self) -> None:
        """Publish what the database has, as a run does at its end."""
        publisher = find_publisher(self.destination, str(self.published))
        assert publisher
        copy = publisher.publish()
        assert not (copy and copy.error)

    def left_beside_the_copy(self) -> int:
        """What nobody needs beside the copy and the one before: others, links and logs."""
        name = self.published.name
        folders = [*self.database.parent.glob(f".{name}.copies/*")]
        files = [path for folder in folders for path in folder.iterdir() if path.name != name]
        return max(0, len(folders) - 2) + len([*files, *self.database.parent.glob(f"{name}?*")])

    def exported_rows(self) -> list[Row]:
        """What a reader of the export finds that knows nothing but the folder."""
        files = f"{self.export_url}/async_invokes/*/*.parquet"
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            if is_s3(self.url):
                connection.register_filesystem(open_url(self.url)[0])
            try:
                return connection.read_parquet(files).select(*COMPARED[:-1]).fetchall()
            except duckdb.IOException:
                return []

    def doubled_reports(self) -> int:
        """Rows about runs and about what vanished that are there once more."""
        with self.destination.connection() as connection:
            return sum(
                doubled(connection.sql(f"from bedrock.{table}").select(key).fetchall())
                for table, key in KEYS.items()
            )

    def lose_working_directory(self) -> None:
        shutil.rmtree(self.destination.working_directory, ignore_errors=True)

    def remove(self) -> None:
        """Delete the copy and its export; the working directory stays."""
        for name in (self.database.name, f"{self.database.name}.wal", self.published.name):
            self.database.with_name(name).unlink(missing_ok=True)
        for url in (self.url, self.export_url):
            fs, root = open_url(url)
            if fs.exists(root):
                fs.rm(root, recursive=True)
        match catalog_of(self.kind, self.url):
            case "glue":
                empty_glue()
            case "rest":
                empty_catalog(open_catalog())


def doubled(rows: Sequence[object]) -> int:
    """How many are there that are there already."""
    return len(rows) - len(set(rows))
