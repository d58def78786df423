"""`dlt init` from a clone of this repository gives a pipeline that runs."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[2]


def test_the_source_can_be_initialised_from_a_clone(
    bedrock: Control, database: Path, tmp_path: Path
) -> None:
    bedrock.populate(ACCOUNT, REGION, 2_000, NOW - timedelta(days=3), NOW + timedelta(days=1))
    clone, project = tmp_path / "clone", tmp_path / "project"
    project.mkdir()
    run(tmp_path, "git", "clone", "--quiet", str(REPOSITORY), str(clone))
    dlt = str(Path(sys.executable).with_name("dlt"))
    init = ["init", "bedrock_async_invokes", "duckdb", "--location", str(clone)]
    run(project, dlt, "--non-interactive", *init)
    for _ in range(2):
        run(project, sys.executable, "bedrock_async_invokes_pipeline.py")
        assert_exact_copy(project / "bedrock_async_invokes.duckdb", bedrock)
        bedrock.advance(timedelta(hours=2))


def run(folder: Path, *command: str) -> None:
    environment = {**os.environ, "RUNTIME__DLTHUB_TELEMETRY": "false"}
    subprocess.run(command, cwd=folder, env=environment, check=True, timeout=120)
