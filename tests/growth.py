"""Runs in a row, each with new rows, and what they leave in a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.load import load
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, REGION

INTERVAL: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class Footprint:
    """The files of a folder."""

    files: int
    size: int

    @classmethod
    def of(cls, folder: Path) -> "Footprint":
        """The files in a folder and below it."""
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        return cls(len(sizes), sum(sizes))

    def assert_no_larger_than(self, other: "Footprint") -> None:
        """As many files; a tenth more bytes, as numbers get more digits."""
        assert self.files == other.files
        assert self.size <= other.size * 1.1


def run_again(bedrock: Control, destination: Destination, times: int) -> None:
    """Run so many times, each with an invocation that is new."""
    for _ in range(times):
        submitted = bedrock.now()
        bedrock.submit(ACCOUNT, REGION, submit_time=submitted, duration=timedelta(minutes=1))
        bedrock.advance(INTERVAL)
        assert load(destination).rows_loaded == 1


def state_file(destination: Destination) -> Path:
    """dlt's copy of the progress."""
    [state] = destination.working_directory.glob("*/state.json")
    return state


def files_with_rows(destination: Destination) -> Sequence[Path]:
    """Files of the working directory that have rows in them."""
    files = [path for path in destination.working_directory.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if path.suffix in (".parquet", ".gz", ".jsonl")]
