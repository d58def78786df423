"""Where dlt keeps packages and its copy of the progress, and how its command line finds that."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import dlt

PIPELINE_NAME: Final = "bedrock_async_etl"


def working_directory(destination: str) -> Path:
    """The one of a destination of that name.

    It is not beside those of other pipelines: `dlt pipeline` takes a folder there for a pipeline
    of that name, and empties one that is not.
    """
    identity = hashlib.sha256(destination.encode()).hexdigest()[:12]
    return _data_folder(PIPELINE_NAME) / identity


def show_to_dlt(pipeline: dlt.Pipeline) -> None:
    """Let `dlt pipeline NAME` find the pipeline: of several destinations, the one loaded last.

    What is there and no link of ours, is another's. A file system or a user without links loses
    nothing but that: `dlt pipeline --pipelines-dir` finds it everywhere.
    """
    link = _data_folder("pipelines") / pipeline.pipeline_name
    target = Path(pipeline.working_dir)
    if link.exists() and not link.is_symlink():
        return
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    with suppress(OSError):
        link.parent.mkdir(parents=True, exist_ok=True)
        fresh.symlink_to(target.resolve(), target_is_directory=True)
        fresh.replace(link)


def _data_folder(name: str) -> Path:
    return Path(dlt.current.run_context().get_data_entity(name))
