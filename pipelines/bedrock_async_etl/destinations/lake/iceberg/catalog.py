"""The catalog of a lake's Iceberg tables."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError
from pyarrow import fs

from bedrock_async_etl.destinations.lake.commits import with_retries
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_invokes.client import ca_bundle
from bedrock_async_invokes.errors import describe

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

BUSY_SECONDS: Final = 60
"""Maximum wait for a catalog in a SQLite file."""
CALLS: Final = (
    "commit_table",
    "create_namespace_if_not_exists",
    "create_table_if_not_exists",
    "list_tables",
    "load_table",
    "namespace_exists",
    "purge_table",
)
"""Methods of a catalog that are wrapped."""
JUST_MADE: Final = "already exists"
"""Error where another worker made a SQL catalog's tables at the same moment."""
GLUE: Final = "glue"


def open_catalog(files: LakeFiles, name: str | None) -> "Catalog":
    """The catalog of that name in pyiceberg's configuration, or the lake's own SQLite file.

    A kind of catalog, such as `glue`, needs no configuration. Raises `CommandError` for a catalog
    that cannot be opened.
    """
    from pyiceberg.catalog import load_catalog
    from pyiceberg.utils.config import Config

    from bedrock_async_etl.destinations.lake.iceberg.file_io import (
        S3_ACCESS,
        LakeFileIO,
        S3Access,
    )

    configured = (name and Config().get_catalog_config(name)) or {}
    properties: dict[str, Any] = {
        "py-io-impl": f"{LakeFileIO.__module__}.{LakeFileIO.__name__}",
        "snapshot-loading-mode": "all",  # For REST: an older snapshot may have the progress.
        S3_ACCESS: S3Access(files),
    }
    if name is None:
        uri = f"sqlite:///{files.root}/catalog.db?timeout={BUSY_SECONDS}"
        properties |= {"type": "sql", "uri": uri}
    elif not configured:
        properties["type"] = name
    bundle = ca_bundle(botocore.session.get_session())
    if bundle and not any(each.startswith("ssl") for each in configured):
        properties["ssl"] = {"cabundle": bundle}  # For the HTTPS of a REST catalog.
    logging.getLogger("pyiceberg.io.pyarrow").setLevel(logging.ERROR)  # Of columns without values.
    try:
        catalog = with_retries(
            lambda: load_catalog(name or "default", **configured | properties),
            lambda error: JUST_MADE in str(error),
        )
    except Exception as error:  # pyiceberg's, and those of the catalog's libraries.
        known = ", ".join(sorted({GLUE, *Config().get_known_catalogs()}))
        remedy = f" Catalogs are {known}; pyiceberg's configuration has others." if name else ""
        of = f"catalog {name}" if name else "catalog of the lake"
        raise CommandError(f"Cannot open the {of}: {error}.{remedy}") from error
    vars(catalog)["commit_table"] = _confirmed(catalog)
    vars(catalog).update({call: _explained(getattr(catalog, call)) for call in CALLS})
    return catalog


def _explained(call: Callable[..., Any]) -> Callable[..., Any]:
    """A call of a catalog, whose service's errors are one line."""
    from pyiceberg.exceptions import CommitStateUnknownException, RESTError
    from sqlalchemy.exc import DBAPIError

    @wraps(call)
    def explained(*arguments: Any, **named: Any) -> Any:
        try:
            return call(*arguments, **named)
        except CommitStateUnknownException:
            raise
        except (RESTError, BotoCoreError, ClientError, DBAPIError) as error:
            reason = describe(getattr(error, "orig", error))
            raise CommandError(
                f"The catalog failed: {reason} Check its state and its permissions, and try again."
            ) from error

    return explained


def _confirmed(catalog: "Catalog") -> Callable[..., Any]:
    """The catalog's `commit_table`; a commit that the table has does not count as failed.

    Where an answer is lost, the call is repeated, and refused since the table has changed.
    pyiceberg would then remove the files of the table's snapshot.
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
    """The lake's URL for pyiceberg, which takes paths literally."""
    return f"file://{files.root}" if files.is_local else files.url


def file_system_of(table: "Table") -> fs.FileSystem:
    """The file system of a table's files, with the credentials that a REST catalog vends.

    Raises `CommandError` where the catalog requires another way to read them.
    """
    from pyiceberg.io.pyarrow import PyArrowFileIO

    if not isinstance(table.io, PyArrowFileIO):
        raise CommandError(
            f"The catalog has the files of {'.'.join(table.name())} read by "
            f"{type(table.io).__name__}, such as for remote signing, which is not supported: have "
            "it vend credentials instead."
        )
    scheme, bucket, _ = table.io.parse_location(table.location())
    return table.io.fs_by_scheme(scheme, bucket)


def path_of(uri: str) -> str:
    """The path of a file, as Arrow's file systems have it."""
    from pyiceberg.io.pyarrow import PyArrowFileIO

    path: str = PyArrowFileIO.parse_location(uri)[2]
    return path
