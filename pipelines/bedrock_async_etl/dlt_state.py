"""The state of a pipeline and its working directory: every use of dlt's internals.

dlt has no public means for what these functions do; each says why it is needed.
"""

import errno
import hashlib
import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dlt
import pyarrow.parquet as pq
from dlt.common.configuration.container import Container
from dlt.common.destination import Destination, DestinationCapabilitiesContext
from dlt.common.destination.client import StateInfo, WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.exceptions import DltException
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.pipeline import LoadInfo
from dlt.common.storages import LoadStorage, NormalizeStorage
from dlt.common.storages.load_package import (
    WORKING_FOLDERS,
    LoadPackageStateInjectableContext,
    PackageStorage,
)
from dlt.common.time import increasing_precise_time
from dlt.common.versioned_state import decompress_state
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.state_sync import load_pipeline_state_from_destination
from dlt.sources import DltSource

from bedrock_async_etl.errors import BusyError, CommandError, interruption_behind

Writing = Callable[[], AbstractContextManager[None]]
"""Holds the destination for writing."""

PIPELINE_NAME: Final = "bedrock_async_etl"
BUILDS_ON: Final = "builds_on"
"""Local state: the version of the destination's state that the next package builds on."""
NEARLY_FULL_BYTES: Final = 2**20


def working_directory(destination: str) -> Path:
    """The folder of a destination of that name, for dlt's packages and its copy of the progress.

    It is not among dlt's folders of pipelines: `dlt pipeline` takes a folder there for a pipeline
    of that name, and empties one that is not.
    """
    identity = hashlib.sha256(destination.encode()).hexdigest()[:12]
    return _data_folder(PIPELINE_NAME) / identity


def explain_working_directory(error: OSError) -> str | None:
    """The reason why dlt cannot use its folder, with the remedy; None if another file failed.

    Errors of writes name no file.
    """
    folder = _data_folder("")
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None
    is_inside = name is not None and Path(name).is_relative_to(folder)
    if not is_inside and (name is not None or error.errno != errno.ENOSPC or not _is_full(folder)):
        return None
    return (
        f"Cannot use dlt's working directory {folder}: {error.strerror}. Set DLT_DATA_DIR to a "
        "folder that has space and can be written to."
    )


def _is_full(folder: Path) -> bool:
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    return shutil.disk_usage(existing).free < NEARLY_FULL_BYTES


def link_for_dlt(pipeline: dlt.Pipeline) -> None:
    """Link the working directory to where `dlt pipeline NAME` looks; the last load has the link.

    A folder of that name that is no link belongs to another project, and stays. Where links cannot
    be made, `dlt pipeline --pipelines-dir` finds the pipeline.
    """
    link = _data_folder("pipelines") / pipeline.pipeline_name
    if link.exists() and not link.is_symlink():
        return
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    with suppress(OSError):
        link.parent.mkdir(parents=True, exist_ok=True)
        draft.symlink_to(Path(pipeline.working_dir).resolve(), target_is_directory=True)
        draft.replace(link)


def _data_folder(name: str) -> Path:
    return Path(dlt.current.run_context().get_data_entity(name))


@dataclass
class SettledPipeline:
    """A pipeline whose working directory agrees with the destination."""

    pipeline: dlt.Pipeline
    writing: Writing
    version: str | None
    """Version of the destination's state."""
    rows_recovered: int = 0
    """Invocations in the package of an earlier run, which was loaded first."""

    def run(self, source: DltSource, can_go_on: Callable[[BaseException], bool]) -> None:
        """Load one package; once more after an error where `can_go_on` allows it.

        The destination is written to only when the package is complete. Raises `BusyError` where
        it is held: the next run loads the package.
        """
        self.pipeline.set_local_state_val(BUILDS_ON, self.version)
        try:
            self.pipeline.extract(source)
            self.pipeline.normalize()
            with self.writing():
                info = self._load(can_go_on)
        except BusyError as error:
            raise BusyError(f"{error} What was read is kept, and loaded by the next run.") from None
        finally:
            _delete_leftovers(Path(self.pipeline.working_dir))
        info.raise_on_failed_jobs()
        self.version = self.pipeline.state["_version_hash"]

    def _load(self, can_go_on: Callable[[BaseException], bool]) -> LoadInfo:
        try:
            return self.pipeline.load()
        except PipelineStepFailed as error:
            if not can_go_on(innermost(error)):
                raise
            return self.pipeline.load()  # The package is complete, and is pending now.


def settle(
    new_pipeline: Callable[[], dlt.Pipeline], working_directory: Path, writing: Writing
) -> SettledPipeline:
    """Make a pipeline, and make its working directory agree with the destination.

    The destination is the truth and the working directory a cache: one that a kill left torn is
    deleted. Raises `BusyError` where there is a package to load and the destination is held.
    """
    try:
        return _settle(new_pipeline(), writing)
    except (DltException, OSError, ValueError, LookupError) as error:
        cause = innermost(error)
        if interruption_behind(cause) or isinstance(cause, CommandError):
            raise
        shutil.rmtree(working_directory, ignore_errors=True)
        return _settle(new_pipeline(), writing)


def _settle(pipeline: dlt.Pipeline, writing: Writing) -> SettledPipeline:
    """Load the package that a killed run left, if it builds on what the destination holds.

    Otherwise (the database was deleted, or restored from a backup) the package is dropped, since
    it would move progress past rows that are missing. A local state that is not the destination's
    is dropped as well, and dlt restores it: dlt's own sync would prefer one that is ahead.
    """
    stored, rows = _stored_state(pipeline), 0
    if pipeline.has_pending_data and pipeline.state["_local"].get(BUILDS_ON) == _version(stored):
        # `run` would restore the state first, and drop all packages of a dataset that is new.
        pipeline.normalize()
        with writing():
            rows = _loaded_rows(pipeline.load())
            stored = _stored_state(pipeline)
    _make_load_ids_ascend(stored)
    if pipeline.has_pending_data or pipeline.state.get("_version_hash") != _version(stored):
        pipeline.drop()
    pipeline.sync_destination()
    return SettledPipeline(pipeline, writing, _version(stored), rows)


def _loaded_rows(info: LoadInfo | None) -> int:
    """Invocations in the packages that were loaded; none if dlt had lost their schema."""
    packages = info.load_packages if info else ()
    jobs = [job for package in packages for job in package.jobs["completed_jobs"]]
    return sum(
        pq.read_metadata(job.file_path).num_rows
        for job in jobs
        if job.job_file_info.table_name == "async_invokes"
        and job.job_file_info.file_format == "parquet"
    )


def _delete_leftovers(folder: Path) -> None:
    """Delete all packages that are not pending, but the last one loaded, which loses its rows.

    dlt keeps each package with its rows, and what it was extracting when it failed or was killed.
    Its option `delete_completed_jobs` deletes the rows alone, and those of a recovered package
    before they are counted.
    """
    loaded = sorted((folder / "load" / LoadStorage.LOADED_FOLDER).glob("*/"))
    rows = [last / name for last in loaded[-1:] for name in WORKING_FOLDERS]
    extracting = [
        each
        for each in (folder / "normalize").glob("*/")
        if each.name != NormalizeStorage.EXTRACTED_FOLDER
    ]
    for each in (*loaded[:-1], *rows, *extracting):
        shutil.rmtree(each, ignore_errors=True)


def completed_files() -> Iterator[tuple[str, Path]]:
    """Tables and files of the package that is being completed, except references."""
    package = Container()[LoadPackageStateInjectableContext]
    folder = PackageStorage.COMPLETED_JOBS_FOLDER
    for state, job in package.storage.list_all_jobs_with_states(package.load_id):
        assert state == folder
        path = package.storage.get_job_file_path(package.load_id, folder, job.file_name())
        yield job.table_name, Path(package.storage.storage.make_full_path(path))


def innermost(error: BaseException) -> BaseException:
    """The first cause of an error, which dlt wraps once per layer."""
    while error.__cause__:
        error = error.__cause__
    return error


def stored_progress(client: WithStateSync, names: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """Progress by scope in the states that pipelines of these names left in the destination."""
    for name in names:
        if state := load_pipeline_state_from_destination(name, client):
            source: Mapping[str, Any] = state.get("sources", {}).get("bedrock_async_invokes", {})
            yield source.get("resources", {}).get("async_invokes", {})


def newest_progress(known: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Of several progresses by scope, the newest of each scope."""
    newest: dict[str, Any] = {}
    for progress in known:
        for scope, found in progress.items():
            if scope not in newest or found["revision"] > newest[scope]["revision"]:
                newest[scope] = found
    return newest


def _stored_state(pipeline: dlt.Pipeline) -> StateInfo | None:
    """The state that the destination's last complete load left."""
    with pipeline.destination_client() as client:
        if not isinstance(client, WithStateSync):
            raise CommandError(f"{pipeline.destination} cannot keep progress: choose another.")
        try:
            return client.get_stored_state(pipeline.pipeline_name)
        except DestinationUndefinedEntity:
            return None


def _version(stored: StateInfo | None) -> str | None:
    """The hash of a stored state."""
    return decompress_state(stored.state)["_version_hash"] if stored else None


def _make_load_ids_ascend(stored: StateInfo | None) -> None:
    """Make the next load's id larger than the last one's, even if the clock was set back.

    Load ids are times, and dlt restores the state that has the largest. Loads since then that left
    no state have taken some of the ids right after it.
    """
    newest = float(stored._dlt_load_id) if stored and stored._dlt_load_id else 0
    if newest >= increasing_precise_time():
        increasing_precise_time._last = newest + random.uniform(0.001, 1)


class FixedCapabilities(Destination[Any, Any]):
    """A destination whose capabilities depend on nothing but the arguments of its factory.

    dlt asks a dozen times in a load and resolves the whole configuration for each answer, which is
    5 % of a run in which nothing is new.
    """

    def capabilities(
        self, config: Any | None = None, naming: NamingConvention | None = None
    ) -> DestinationCapabilitiesContext:
        if config is None:
            config = self.spec()
            config.update(self.config_params)
        return super().capabilities(config, naming)
