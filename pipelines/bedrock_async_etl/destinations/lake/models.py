"""Models in a lake: the files of all of them take their places together."""

import json
import tempfile
from pathlib import Path
from typing import Final

import duckdb

from bedrock_async_etl.destinations import ANALYTICS_NAME
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.files.parquet import model_tables, write
from bedrock_async_etl.files.publication import Publication, publication

MANIFEST_VERSION: Final = 1


def write_models(connection: duckdb.DuckDBPyConnection, files: LakeFiles) -> None:
    """Write every model as one Parquet file, and publish all of them."""
    root = files.path(ANALYTICS_NAME)
    with (
        tempfile.TemporaryDirectory() as folder,
        publication(files.filesystem, root) as staging,
    ):
        scratch = Path(folder, "model")
        for model in model_tables(connection, ANALYTICS_NAME):
            write(connection, model.all_rows, scratch)
            staging.stage(scratch, f"{model.name}/part-0.parquet")
        publish_models(files, staging)


def publish_models(files: LakeFiles, staging: Publication) -> None:
    """Publish the models that are staged, and remove the files of those before."""
    root = files.path(ANALYTICS_NAME)
    stored = {path.removeprefix(f"{root}/") for path in files.glob(f"{ANALYTICS_NAME}/*/*.parquet")}
    manifest = {"version": MANIFEST_VERSION, "files": sorted(staging.names)}
    staging.publish(json.dumps(manifest).encode(), sorted(stored - set(staging.names)))
