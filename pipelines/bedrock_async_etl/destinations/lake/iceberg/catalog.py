"""The catalog of a lake's Iceberg tables."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.object_store import LakeFiles

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

BUSY_SECONDS: Final = 60
"""Time for which a catalog in a SQLite file is waited for."""
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
