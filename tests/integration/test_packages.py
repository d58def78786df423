"""The wheel and the sdist, installed where nothing else of this project is."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.integration.budgets import cases

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[2]
PACKAGES = {"bedrock_async_etl", "bedrock_async_invokes", "bedrock_emulator"}
OTHERS = ("pipelines", "sources", "sql")
"""Folders that many a dlt project has."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    uv("build", "--out-dir", str(folder), str(REPOSITORY))
    return folder


def test_the_wheel_brings_its_own_packages_alone(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == PACKAGES
    assert len(names) == len(PACKAGES) + 1


@pytest.mark.parametrize("kind", cases([("*.whl",), ("*.tar.gz",)], [("*.whl",)]))
def test_an_installation_works_beside_folders_of_any_name(
    built: Path, kind: str, tmp_path: Path
) -> None:
    [archive] = built.glob(kind)
    environment, project = tmp_path / "environment", tmp_path / "project"
    uv("venv", "--python", sys.executable, str(environment))
    python = environment / "bin" / "python"
    uv("pip", "install", "--python", str(python), str(archive))
    for name in OTHERS:
        package = project / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"OWN = {name!r}\n")
    run(project, python, "-c", f"import {', '.join(OTHERS)}; assert sql.OWN == 'sql'")
    run(project, python, "-m", "bedrock_async_etl", "--version")
    command = environment / "bin" / "bedrock-async-etl"
    demo = run(project, command, "demo")
    assert "an exact copy" in demo
    status = run(project, command, "status", "--database", "bedrock_demo.duckdb")
    assert "Fresh?" in status


def uv(*arguments: str) -> None:
    found = os.environ.get("UV") or shutil.which("uv")  # `uv run` sets the former
    assert found, "uv is not on the PATH"
    subprocess.run([found, *arguments], check=True, capture_output=True)


def run(folder: Path, *command: str | Path) -> str:
    """Standard output of a command that sees neither this checkout nor its environment."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "VIRTUAL_ENV") and not name.startswith("AWS_")
    }
    environment["DLT_DATA_DIR"] = str(folder / "dlt")
    done = subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout
