"""The catalog of a lake's Iceberg tables."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import botocore.session
from pyarrow import fs

from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_invokes.client import ca_bundle

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

BUSY_SECONDS: Final = 60
"""Time for which a catalog in a SQLite file is waited for."""
SSL: Final = "ssl"
FILE_IO: Final = "py-io-impl"
LAKE_FILES: Final = "bedrock-async-etl.lake-files"
"""Property of a catalog: the lake's files, for the class that it reads and writes with."""
NOT_INSTALLED: Final = (
    "A lake of Iceberg needs the extra `iceberg`: pip install 'bedrock-async-etl[iceberg]'."
)


def open_catalog(files: LakeFiles, name: str | None) -> "Catalog":
    """The catalog of that name in pyiceberg's configuration, or the lake's own SQLite file.

    A kind of catalog, such as `glue`, needs no configuration. Raises `CommandError` without the
    extra, and for a catalog that cannot be opened.
    """
    try:
        from pyiceberg.catalog import load_catalog
        from pyiceberg.utils.config import Config

        from bedrock_async_etl.destinations.lake.iceberg.file_io import LakeFileIO
    except ModuleNotFoundError:
        raise CommandError(NOT_INSTALLED) from None
    configured = (name and Config().get_catalog_config(name)) or {}
    properties: dict[str, Any] = {}
    if name is None:
        uri = f"sqlite:///{files.root}/catalog.db?timeout={BUSY_SECONDS}"
        properties = {"type": "sql", "uri": uri}
    elif not configured:
        properties = {"type": name}
    if (bundle := ca_bundle(botocore.session.get_session())) and SSL not in configured:
        properties[SSL] = {"cabundle": bundle}  # For the catalog's own HTTP, where it has one.
    properties |= {FILE_IO: f"{LakeFileIO.__module__}.{LakeFileIO.__name__}", LAKE_FILES: files}
    logging.getLogger("pyiceberg.io.pyarrow").setLevel(logging.ERROR)  # Of columns without values.
    try:
        catalog = load_catalog(name or "default", **configured | properties)
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


def location(files: LakeFiles) -> str:
    """The lake's URL as pyiceberg has it, which takes a path for what it is."""
    return f"file://{files.root}" if files.is_local else files.url


def file_system_of(table: "Table") -> fs.FileSystem:
    """The file system that has a table's files: of a REST catalog, with keys that it may give."""
    from pyiceberg.io.pyarrow import PyArrowFileIO

    assert isinstance(table.io, PyArrowFileIO)
    scheme, bucket, _ = table.io.parse_location(table.location())
    return table.io.fs_by_scheme(scheme, bucket)


def path_of(uri: str) -> str:
    """The path of a file, as Arrow's file systems have it."""
    return uri.partition("://")[2] or uri
