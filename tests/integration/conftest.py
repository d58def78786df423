"""What is here needs more than the unit tests, such as the dependency group `references`."""

import shutil
import uuid
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_emulator import Control
from tests.copies import destination_of
from tests.integration.budgets import SOAK, cases
from tests.integration.places import LAKES, empty_glue, served_s3
from tests.integration.rest_catalog import empty_catalog, open_catalog, served_catalog

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BUCKET = "data-lake"
LONGEST = (
    "test_documents.py",
    "test_spark.py",
    "test_iceberg.py",
    "test_report.py",
    "test_readers.py",
    "test_models_against_references.py",
    "test_airflow.py",
    "test_kills.py",
    "test_export.py",
    "test_model_histories.py",
    "test_lakes.py",
    "test_publication.py",
    "test_compact.py",
    "test_output.py",
    "test_shards.py",
)
"""They begin first, so that no worker is left with one of them when the others have ended."""


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Import nothing of it unless it is going to be run."""
    wanted = config.getoption("markexpr").replace("not integration", "")
    return None if "integration" in wanted or "soak" in wanted else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if not SOAK and item.get_closest_marker("soak")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A local S3 with one empty bucket."""
    with served_s3() as endpoint:
        session = boto3.Session("AKIAIOSFODNN7EXAMPLE", "emulator", region_name="us-east-1")
        session.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
        yield endpoint


@pytest.fixture(scope="session")
def rest_catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Settings of pyiceberg for a REST catalog, which has an S3 of its own."""
    with served_catalog(tmp_path_factory.mktemp("catalog")) as settings:
        yield settings


@pytest.fixture(params=["local", "s3"])
def lake_url(request: pytest.FixtureRequest, database: Path) -> str:
    """Where there is no lake yet, on either kind of storage; its working directory is apart."""
    return new_lake_url(request, request.param, database)


LOGS = cases(
    [(lake,) for lake in product(("parquet", "delta"), ("local", "s3"))],
    [(("parquet", "s3"),), (("delta", "local"),)],
)
"""Lakes that have logs, on either kind of storage."""


@pytest.fixture(
    params=cases(
        [(lake,) for lake in LAKES],
        [(("parquet", "s3"),), (("delta", "local"),), (("iceberg", "s3"),)],
    ),
    ids="-".join,
)
def lake(request: pytest.FixtureRequest, bedrock: Control, database: Path) -> LakeDestination:
    """A lake of each format, each on either kind of storage, into which nothing was loaded."""
    table_format, storage = request.param
    lake = destination_of(table_format, new_lake_url(request, storage, database))
    assert isinstance(lake, LakeDestination)
    return lake


def new_lake_url(request: pytest.FixtureRequest, storage: str, database: Path) -> str:
    if storage == "local":
        return str(database.with_name("lake"))
    monkeypatch = request.getfixturevalue("monkeypatch")
    if storage == "rest":
        for name, text in request.getfixturevalue("rest_catalog").items():
            monkeypatch.setenv(name, text)
        empty_catalog(open_catalog())
        return str(database.with_name("lake"))
    endpoint = request.getfixturevalue("s3_endpoint")
    for service in ("S3", "GLUE"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", endpoint)
    empty_glue()
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium; unit tests do without the library that drives it."""
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium")
    assert executable, "These tests need Chromium: install Debian's package chromium."
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]
        with playwright.chromium.launch(executable_path=executable, args=options) as started:
            yield started
