"""Models that are put into a lake: the files of all of them take their places together."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from bedrock_async_etl.destinations import ANALYTICS_NAME
from bedrock_async_etl.export.tables import (
    Source,
    exported_type,
    exported_value,
    sources,
)
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.files.parquet import write
from bedrock_async_etl.files.publication import Publication, publication
from bedrock_async_etl.models.sql_files import identifier

MANIFEST_VERSION: Final = 1


@dataclass(frozen=True)
class LakeWorkshop:
    """A copy of a lake's rows, from which models are built and put back into the lake."""

    connection: duckdb.DuckDBPyConnection
    files: LakeFiles

    def publish(self) -> None:
        """Write every model as one Parquet file, and let all of them be seen."""
        models = [each for each in sources(self.connection) if each.schema == ANALYTICS_NAME]
        root = self.files.path(ANALYTICS_NAME)
        with (
            tempfile.TemporaryDirectory() as folder,
            publication(self.files.filesystem, root) as staging,
        ):
            scratch = Path(folder, "model")
            for model in models:
                _write(self.connection, model, scratch)
                staging.stage(scratch, f"{model.name}/part-0.parquet")
            publish_models(self.files, staging)


def publish_models(files: LakeFiles, staging: Publication) -> None:
    """Publish what is staged of the models, and remove the files of the ones before."""
    root = files.path(ANALYTICS_NAME)
    stored = {path.removeprefix(f"{root}/") for path in files.glob(f"{ANALYTICS_NAME}/*/*.parquet")}
    manifest = {"version": MANIFEST_VERSION, "files": sorted(staging.names)}
    staging.publish(json.dumps(manifest).encode(), sorted(stored - set(staging.names)))


def _write(connection: duckdb.DuckDBPyConnection, model: Source, scratch: Path) -> None:
    columns = ", ".join(
        f"{exported_value(identifier(name), kind, exported_type(kind))} as {identifier(name)}"
        for name, kind in model.columns.items()
    )
    write(connection, f"select {columns} from {model.sql_name}", scratch)  # noqa: S608
