"""Folders to export to: on the local disk, and on an S3 that is served by moto over HTTP."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path

import boto3
import duckdb
import pytest
from fsspec import AbstractFileSystem

from bedrock_async_etl.files.urls import is_s3, open_url

BUCKET = "lake"
LAKES = [*product(("parquet", "delta", "iceberg"), ("local", "s3")), ("iceberg", "rest")]
"""Lakes of each format on each kind of storage; `rest` is a REST catalog that chooses it."""
DATES = "select submit_date, count(*) from {} group by all"


@dataclass(frozen=True)
class Place:
    """A URL that is exported to, as its readers see it."""

    url: str

    def open(self) -> tuple[AbstractFileSystem, str]:
        return open_url(self.url)

    def names(self, folder: str = "") -> dict[str, tuple[int, str]]:
        """Size and time of change of every file."""
        fs, root = self.open()
        found = fs.find(f"{root}/{folder}".rstrip("/"), detail=True)
        changed = "LastModified" if is_s3(self.url) else "mtime"
        return {
            path.removeprefix(f"{root}/"): (info["size"], str(info[changed]))
            for path, info in found.items()
        }

    def rows_by_date(self, table: str = "async_invokes") -> dict[date | None, int]:
        """What a reader that knows nothing but the folder counts."""
        files = f"read_parquet('{self.url}/{table}/*/*.parquet', hive_partitioning = true)"
        with duckdb.connect() as connection:
            if is_s3(self.url):
                connection.register_filesystem(self.open()[0])
            return dict(connection.sql(DATES.format(files)).fetchall())


@contextmanager
def served_s3(*options: str) -> Iterator[str]:
    """The endpoint of an S3 of one's own; options of moto's server may put it behind TLS."""
    [port] = free_ports(1)
    server = [sys.executable, "-m", "tests.integration.aws_server"]
    command = [*server, "-H", "127.0.0.1", "-p", str(port), *options]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not _answers(port):
            assert process.poll() is None
            time.sleep(0.05)
        yield f"{'https' if options else 'http'}://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def empty_glue() -> None:
    """Drop all tables of Glue."""
    glue = boto3.client("glue")
    for database in glue.get_databases()["DatabaseList"]:
        glue.delete_database(Name=database["Name"])


def free_ports(number: int) -> list[int]:
    """Ports that nobody listened at a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def use_s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process's AWS environment lead to the endpoint alone, with an empty bucket."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    bucket = boto3.resource("s3").Bucket(BUCKET)
    bucket.create()
    bucket.objects.delete()
