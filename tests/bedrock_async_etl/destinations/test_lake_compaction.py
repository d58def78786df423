"""A run merges a lake's small files when they are many; whatever comes of it, the run is good."""

import errno
import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations import parquet
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.parquet import COMPACTED
from bedrock_async_etl.errors import Interruption
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_emulator import Control
from tests.copies import assert_exact_copy
from tests.growth import run_again

pytestmark = pytest.mark.slow


@pytest.fixture
def lake(database: Path) -> LakeDestination:
    return LakeDestination(str(database.with_name("lake")), "parquet", compact_after=2)


def run(lake: LakeDestination, *options: str) -> Result:
    command = ["run", "--no-models", "--lake", lake.url, "--compact-after=2", *options]
    return CliRunner().invoke(app, command)


def runs_files(lake: LakeDestination) -> list[str]:
    """Of the first table of a lake that every run adds a file to."""
    return list(lake.files.glob("bedrock/extract_runs/*.parquet"))


def test_a_run_compacts_when_a_table_has_more_files_than_it_may(
    bedrock: Control, lake: LakeDestination
) -> None:
    """That is after three runs, and, as the merged file is one, after two more."""
    compactions = []
    for _ in range(5):
        run_again(bedrock, lake, 1)
        before = runs_files(lake)
        compactions.append(lake.compact_if_due())
        assert set(before) <= set(runs_files(lake)), "readers may have them open"
        assert_exact_copy(lake, bedrock)
    assert [each is not None for each in compactions] == [False, False, True, False, True]
    last = compactions[-1]
    assert last
    assert last.message == "Compacted the lake: 17 files into 5."
    assert len([path for path in runs_files(lake) if COMPACTED in path]) == 2


def test_a_run_says_what_it_merged(bedrock: Control, lake: LakeDestination) -> None:
    run_again(bedrock, lake, 1)
    documents = [json.loads(run(lake, "--json").stdout) for _ in range(2)]
    assert documents[0]["compaction"] is None
    [invocations, *_] = documents[1]["compaction"]["tables"]
    assert invocations == {
        "table": "async_invokes",
        "files_before": 1,
        "files_after": 1,
        "rows_rewritten": 0,
        "removed": 0,
    }
    run(lake)
    last_line = run(lake).stdout.splitlines()[-1]
    assert last_line == "Compacted the lake: 11 files into 5."
    run(lake)
    event = json.loads(run(lake, "--log-format=json").stderr.splitlines()[-2])
    assert (event["event"], event["level"], event["error"]) == ("compaction", "info", None)
    assert event["message"] == "Compacted the lake: 13 files into 5."
    assert len(event["tables"]) == 5


@pytest.mark.parametrize("options", [{"compact_after": 0}, {"compact_after": 1, "shard": "1/1"}])
def test_a_lake_is_left_as_it_is_by_a_shard_and_where_that_is_configured(
    options: dict[str, Any], bedrock: Control, lake: LakeDestination
) -> None:
    run_again(bedrock, lake, 3)
    assert LakeDestination(lake.url, "parquet", **options).compact_if_due() is None
    assert lake.compact_if_due()


@pytest.mark.parametrize(
    ("kind", "arguments", "reason"),
    [
        (OSError, (errno.ENOSPC, "No space left"), "Cannot use {lake}: no space is left. Free "),
        (
            pa.ArrowInvalid,
            ("not a Parquet file",),
            "Cannot use {lake}: ArrowInvalid: not a Parquet file",
        ),
    ],
)
def test_a_failure_is_a_warning_and_the_next_run_tries_again(
    kind: type[Exception],
    arguments: tuple[Any, ...],
    reason: str,
    bedrock: Control,
    lake: LakeDestination,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_again(bedrock, lake, 2)
    with monkeypatch.context() as broken:
        broken.setattr("pyarrow.dataset.write_dataset", raising(kind, *arguments))
        done = run(lake)
    begin = f"The lake was not compacted, the next run tries again: {reason.format(lake=lake.url)}"
    assert (done.exit_code, done.stderr.splitlines()[-1][: len(begin)]) == (0, begin)
    assert "files into" in run(lake).stdout
    assert_exact_copy(lake, bedrock)


def test_a_compaction_that_stops_at_its_last_table_is_due_still(
    bedrock: Control, lake: LakeDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    def merge(files: LakeFiles, name: str, paths: Sequence[str]) -> int:
        if name == "extract_runs":
            raise OSError("No.")
        return merged(files, name, paths)

    merged = parquet._merge
    run_again(bedrock, lake, 2)
    with monkeypatch.context() as broken:
        broken.setattr(parquet, "_merge", merge)
        assert "The lake was not compacted" in run(lake).stderr
    assert "files into" in run(lake).stdout


def raising(kind: type[BaseException], *arguments: Any) -> Callable[..., None]:
    def fails(*_: Any, **__: Any) -> None:
        raise kind(*arguments)

    return fails


@pytest.mark.parametrize("kind", [Interruption, pa.ArrowCancelled])
def test_a_signal_ends_a_compaction_and_its_run(
    kind: type[BaseException],
    bedrock: Control,
    lake: LakeDestination,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A library may have made an error of its own of it."""
    run_again(bedrock, lake, 3)
    monkeypatch.setattr(Interruption, "latest", Interruption(signal.SIGTERM))
    monkeypatch.setattr(parquet, "_merge", raising(kind, signal.SIGTERM))
    with pytest.raises(kind):
        lake.compact_if_due()
