"""What is left to delta-rs: files, and panics, which are no `Exception` but end as errors do."""

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations.delta import UNREPEATED
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.lake.compaction import compact
from bedrock_async_etl.load import load
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, DELTA, NOW, REGION
from tests.copies import assert_exact_copy

pytestmark = DELTA

PANICKING: Final = """
from dlt.common.libs import deltalake

write = deltalake.write_delta_table
deltalake.write_delta_table = lambda location, *rest: write(f"{location}[1]", *rest)

from bedrock_async_etl.cli import main

main()
"""
"""A command in whose process delta-rs writes to a path that it panics for."""
ENOUGH_SECONDS: Final = 120
"""Several times what five tries of a load take: it would wait for ever."""


@pytest.fixture
def lake(bedrock: Control, database: Path) -> LakeDestination:
    bedrock.populate(ACCOUNT, REGION, 200, NOW - timedelta(days=2), NOW + timedelta(days=2), 1)
    return LakeDestination(str(database.with_name("lake")), "delta")


def test_a_run_in_which_delta_panics_ends_in_one_line_and_the_next_one_loads_all(
    bedrock: Control, lake: LakeDestination
) -> None:
    command = ["run", "--no-models", f"--lake={lake.url}", "--destination=delta"]
    done = subprocess.run(
        [sys.executable, "-c", PANICKING, *command],
        capture_output=True,
        text=True,
        timeout=ENOUGH_SECONDS,
        check=False,
    )
    assert (done.returncode, "panicked at" in done.stderr) == (1, True)
    assert re.fullmatch("Error: .*delta-rs failed: .+", done.stderr.splitlines()[-1])
    assert "Traceback" not in done.stderr
    assert load(lake).exit_code == 0
    assert_exact_copy(lake, bedrock)


def test_files_have_no_dictionaries_of_values_that_hardly_repeat(
    bedrock: Control, lake: LakeDestination
) -> None:
    """Those of the first load are merged with what comes later."""
    load(lake)
    bedrock.advance(timedelta(hours=1))
    load(lake)
    merged = newest_file(lake)
    assert_plain(merged)
    [compacted] = [each for each in compact(lake, 0) if each.table == "async_invokes"]
    assert compacted.files_after < compacted.files_before
    assert newest_file(lake) != merged
    assert_plain(newest_file(lake))


def newest_file(lake: LakeDestination) -> Path:
    """The file of a date that was written last."""
    files = Path(lake.files.root, "bedrock", "async_invokes").glob("submit_date=*/*.parquet")
    return max(files, key=lambda path: path.stat().st_mtime_ns)


def assert_plain(file: Path) -> None:
    metadata = pq.ParquetFile(file).metadata
    columns = [metadata.row_group(0).column(at) for at in range(metadata.num_columns)]
    repeating = {each.path_in_schema for each in columns if "RLE_DICTIONARY" in each.encodings}
    assert {each.compression for each in columns} == {"ZSTD"}
    assert (repeating >= {"model_id", "status"}, repeating & {*UNREPEATED}) == (True, set())


def panic(*_: Any, **__: Any) -> None:
    from deltalake import write_deltalake

    write_deltalake("a[1]", pa.table({"a": [1]}))


@pytest.mark.parametrize("call", ["is_deltatable", "file_uris", "vacuum"])
def test_another_command_in_which_delta_panics_ends_in_one_line(
    call: str, lake: LakeDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(lake)
    monkeypatch.setattr(f"deltalake.DeltaTable.{call}", panic)
    done = CliRunner().invoke(app, ["compact", "--lake", lake.url])
    assert done.exit_code == 1
    assert re.fullmatch("Error: delta-rs failed: .+\n", done.stderr)
