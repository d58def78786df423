"""What is here needs more than the unit tests, such as the dependency group `references`."""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "emulator",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
BUCKET = "data-lake"


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Import nothing of it unless it is going to be run."""
    return True if config.getoption("markexpr") == "not integration" else None


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local S3 with one empty bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("moto") / "log").open("w")
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        endpoint = f"http://127.0.0.1:{port}"
        _make_bucket(endpoint, server)
        yield endpoint
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        log.close()


def _make_bucket(endpoint: str, server: subprocess.Popen[bytes]) -> None:
    session = boto3.Session("AKIAIOSFODNN7EXAMPLE", "emulator", region_name="us-east-1")
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2]))).close()
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    session.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)


@pytest.fixture(params=["local", "s3"])
def lake_url(request: pytest.FixtureRequest, database: Path) -> str:
    """Where there is no lake yet, on either kind of storage; its working directory is apart."""
    if request.param == "local":
        return str(database.with_name("lake"))
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", request.getfixturevalue("s3_endpoint"))
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"
