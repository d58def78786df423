"""Databases of the scenarios of `given.csv` with their models, for all that only read them."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from tests.builds import build_models
from tests.sql.given import SCENARIOS, make_database


@dataclass(frozen=True)
class Scenarios:
    """Builds the database of a scenario when it is first asked for, in whichever worker."""

    folder: Path

    @classmethod
    def of_session(cls, factory: pytest.TempPathFactory) -> "Scenarios":
        """In a folder that all workers of the session have in common."""
        folder = factory.getbasetemp()
        common = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
        scenarios = cls(common / "scenarios")
        scenarios.folder.mkdir(exist_ok=True)
        return scenarios

    def __call__(self, name: str) -> Path:
        """Path of the database: to be read, or to be copied."""
        path = self.folder / f"{SCENARIOS.index(name)}.duckdb"
        with FileLock(f"{path}.lock"):
            if not path.exists():
                unfinished = make_database(path.with_suffix(".unfinished"), name)
                build_models(DuckDBDestination(unfinished))
                unfinished.rename(path)
        return path
