"""What is here needs more than the unit tests, such as the dependency group `references`."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.integration.places import served_s3

BUCKET = "data-lake"


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Import nothing of it unless it is going to be run."""
    return True if config.getoption("markexpr") == "not integration" else None


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A local S3 with one empty bucket."""
    with served_s3() as endpoint:
        session = boto3.Session("AKIAIOSFODNN7EXAMPLE", "emulator", region_name="us-east-1")
        session.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
        yield endpoint


@pytest.fixture(params=["local", "s3"])
def lake_url(request: pytest.FixtureRequest, database: Path) -> str:
    """Where there is no lake yet, on either kind of storage; its working directory is apart."""
    if request.param == "local":
        return str(database.with_name("lake"))
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", request.getfixturevalue("s3_endpoint"))
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"
