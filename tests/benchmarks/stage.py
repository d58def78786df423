"""Where the loads are measured: a local Bedrock in a process of its own, and databases to fill."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from bedrock_async_etl.commands.demo import ACCOUNTS, NOW
from bedrock_emulator import Control
from tests.benchmarks.local_bedrock import local_bedrock

ACCOUNT: Final = ACCOUNTS[0]


@dataclass(frozen=True)
class Stage:
    """A Bedrock, and a folder."""

    bedrock: Control
    folder: Path
    share: float = 1.0
    """Of the rows that a region is to have."""

    def database(self, name: str) -> Path:
        """Where the database of that name is."""
        return self.folder / f"{name}.duckdb"

    def ours(self, name: str, *options: str, with_models: bool = False) -> list[str]:
        """The command that loads into a database."""
        return _run(f"--database={self.database(name)}", *options, with_models=with_models)

    def ours_to_lake(self, name: str, *options: str, with_models: bool = False) -> list[str]:
        """The command that loads into a lake on the local disk."""
        return _run(f"--lake={self.folder / name}.lake", *options, with_models=with_models)

    def anchor(self, name: str, region: str) -> list[str]:
        """The command that copies a region by one of the anchors: `floor` or `naive`."""
        script = f"tests.benchmarks.{name.split()[0]}"
        return [sys.executable, "-m", script, region, str(self.database(name))]

    def forget(self, name: str) -> None:
        """Remove a database or a lake, and what dlt knows of any."""
        shutil.rmtree(self.folder / f"{name}.lake", ignore_errors=True)
        for path in self.folder.glob(f"{name}.duckdb*"):
            path.unlink()
        shutil.rmtree(self.folder / "dlt", ignore_errors=True)

    def fill(self, region: str, rows: int, *, until_days_ago: float = 10, days: float = 30) -> None:
        """Let a region have so many rows, all of which ended long ago."""
        end = NOW - timedelta(days=until_days_ago)
        start = end - timedelta(days=days)
        count = round(rows * self.share)
        self.bedrock.populate(ACCOUNT, region, count, start, end, never_ending_rate=0)


def _run(*options: str, with_models: bool) -> list[str]:
    command = [sys.executable, "-m", "bedrock_async_etl", "run", "--json", *options]
    return command if with_models else [*command, "--no-models"]


@contextmanager
def stage(share: float) -> Iterator[Stage]:
    """A Bedrock that this process's environment leads to, at the demo's time.

    Its regions have a share of the rows that they should have: 1, but where it is only tried
    whether a benchmark works.
    """
    with tempfile.TemporaryDirectory() as folder, local_bedrock() as bedrock:
        # What is set in there is forgotten at its end.
        os.environ["DLT_DATA_DIR"] = f"{folder}/dlt"
        yield Stage(bedrock, Path(folder), share)
