"""The files of a lake, in a local folder or under a prefix of an S3 bucket."""

import glob
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import ProxyConfiguration
from botocore.utils import get_environ_proxies
from dlt.common.configuration.specs import AwsCredentials
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from pyarrow import fs

from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.files.atomic_write import replacing
from bedrock_async_etl.files.urls import (
    S3_ATTEMPTS,
    S3_RETRIES,
    is_s3,
    names_in,
    open_url,
    permissions,
    raise_untrusted_certificate,
    remedy,
)
from bedrock_async_invokes.client import ca_bundle

PORTS: Final = {"http": 80, "https": 443}
"""Default ports of proxies."""


class LocalFiles(LocalFileSystem):  # type: ignore[misc]
    """Local files that appear when they are whole."""

    def put_file(self, path1: str, path2: str, callback: Any = None, **options: Any) -> None:
        """Copy a file; one that was at `path2` is replaced at once."""
        with replacing(Path(self._strip_protocol(path2))) as draft:
            super().put_file(path1, str(draft), callback, **options)

    def write_text(self, path: str, value: str, *options: Any, **named: Any) -> None:
        """Write a file; one that was at `path` is replaced at once."""
        with replacing(Path(self._strip_protocol(path))) as draft:
            super().write_text(str(draft), value, *options, **named)


@dataclass(frozen=True)
class LakeFiles:
    """Files under one folder, by their paths in it."""

    url: str
    """`file:///…` or `s3://…`, without a slash at its end."""
    root: str
    """The same, as the file system has it."""
    filesystem: AbstractFileSystem
    credentials: AwsCredentials | None = None
    """None where it is local."""

    @classmethod
    def at(cls, url: str) -> Self:
        """The files of a path or an `s3://` URL.

        Raises `UsageError` for another kind, `CommandError` where a bucket cannot be reached.
        """
        filesystem, root = open_url(url)
        if is_s3(url):
            return cls(f"s3://{root}", root, filesystem, s3_access(root.partition("/")[0]))
        folder = Path(root)
        if folder.is_file():
            raise UsageError(f"{url} is a file, not a lake: is it one for --database?")
        return cls(folder.as_uri(), root, LocalFiles(auto_mkdir=True))

    @property
    def is_local(self) -> bool:
        return self.credentials is None

    @cached_property
    def arrow_filesystem(self) -> fs.FileSystem:
        """Arrow's own file system: one in Python may wait for a lock of its reader."""
        return arrow_s3(self.credentials) if self.credentials else fs.LocalFileSystem()

    def path(self, name: str) -> str:
        """A file's path, as the file system has it."""
        return f"{self.root}/{name}"

    def read_text(self, name: str) -> str | None:
        """A file's text; None where there is none."""
        try:
            text: str = self.filesystem.read_text(self.path(name), encoding="utf-8")
        except FileNotFoundError:
            return None
        return text

    def write_text(self, name: str, text: str) -> None:
        """Make a file, or replace it at once."""
        self.filesystem.write_text(self.path(name), text, encoding="utf-8")

    def glob(self, pattern: str) -> Sequence[str]:
        """Sorted paths that match a pattern under the root, as the file system has them."""
        return sorted(self.filesystem.glob(f"{glob.escape(self.root)}/{pattern}"))

    def has(self, name: str) -> bool:
        """True for a file, and for a folder that is not empty."""
        return bool(self.filesystem.exists(self.path(name)))

    def remove_folder(self, name: str) -> None:
        """Remove a folder with all that is in it, if it is there."""
        with suppress(FileNotFoundError):
            self.filesystem.rm(self.path(name), recursive=True)

    def visible(self) -> Sequence[str]:
        """Names at the root, but for those that begin with a dot."""
        names = names_in(self.filesystem, self.root)
        return sorted(name for name in names if not name.startswith("."))


def arrow_s3(credentials: AwsCredentials) -> fs.S3FileSystem:
    """Arrow's file system of S3, by the proxy and the CA bundle that boto3 would take."""
    keys = credentials.to_session_credentials()
    scheme, _, endpoint = (credentials.endpoint_url or "").partition("://")
    proxy = proxy_of(credentials)
    return fs.S3FileSystem(
        access_key=keys["aws_access_key_id"],
        secret_key=keys["aws_secret_access_key"],
        session_token=keys["aws_session_token"],
        region=credentials.region_name,
        scheme=scheme or "https",
        endpoint_override=endpoint or None,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=S3_ATTEMPTS),
        proxy_options=_with_port(proxy) if proxy else None,
        tls_ca_file_path=ca_bundle(botocore.session.get_session()),
    )


def proxy_of(credentials: AwsCredentials) -> str | None:
    """The URL of botocore's proxy, perhaps with a password, for the endpoint of credentials."""
    usual = f"https://s3.{credentials.region_name}.amazonaws.com"
    endpoint = credentials.endpoint_url or usual
    proxy: str | None = ProxyConfiguration(get_environ_proxies(endpoint)).proxy_url_for(endpoint)
    return proxy


def _with_port(url: str) -> str:
    parts = urlsplit(url)
    return url if parts.port else f"{parts.scheme}://{parts.netloc}:{PORTS[parts.scheme]}"


def s3_access(bucket: str, region: str | None = None) -> AwsCredentials:
    """The standard chain's credentials, for the region and the endpoint of a bucket.

    Without its region, the bucket is asked for it, so that errors come before any work. Raises
    `CommandError`.
    """
    try:
        client = _client(region)
        answer = {} if region else client.head_bucket(Bucket=bucket)
    except ClientError as error:
        raise CommandError(_refusal(bucket, error)) from error
    except BotoCoreError as error:
        raise CommandError(
            f"Cannot use s3://{bucket}: {remedy(f's3://{bucket}', error)}"
        ) from error
    credentials = AwsCredentials()
    credentials.on_partial()  # Takes the chain's keys. dlt leaves complete ones alone.
    credentials.region_name = region = answer.get("BucketRegion") or client.meta.region_name
    if region != client.meta.region_name:
        client = _client(region)
    credentials.endpoint_url = _endpoint(client)
    return credentials


def _client(region: str | None = None) -> BaseClient:
    """A client of S3 in a region, or in the session's own."""
    config = Config(**S3_RETRIES, s3={"us_east_1_regional_endpoint": "regional"})
    client = boto3.Session().client("s3", region_name=region, config=config)
    client.meta.events.register_first("needs-retry.s3", raise_untrusted_certificate)
    return client


def _endpoint(client: BaseClient) -> str | None:
    """The endpoint of S3 that botocore found; None where any engine would build the same.

    Other partitions of AWS, FIPS, dual stack and the user's settings have others.
    """
    found: str = client.meta.endpoint_url
    return None if found == f"https://s3.{client.meta.region_name}.amazonaws.com" else found


def _refusal(bucket: str, error: ClientError) -> str:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if status == 404:
        return f"There is no bucket {bucket}: make it first, or name another."
    if status == 403:
        return f"No permission for s3://{bucket}. {permissions(f's3://{bucket}')}"
    return f"s3://{bucket} cannot be used: {error}"
