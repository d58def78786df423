"""Files on S3 for pyiceberg, reached as by everything else."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import boto3
from dlt.common.configuration.specs import AwsCredentials
from pyarrow import fs
from pyiceberg.io.pyarrow import PyArrowFileIO

from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.object_store import LakeFiles, arrow_s3, s3_access

S3_ACCESS: Final = "bedrock-async-etl.s3-access"
"""Property of a catalog: the `S3Access` of its `LakeFileIO`."""
S3_SCHEMES: Final = ("s3", "s3a", "s3n")
FAMILIES: Final = ("s3", "client")
"""Prefixes of pyiceberg's options: for S3, and for all of AWS."""
KEYS: Final = {
    "aws_access_key_id": "access-key-id",
    "aws_secret_access_key": "secret-access-key",
    "aws_session_token": "session-token",
}
PLACES: Final = {
    "region_name": ("s3.region", "client.region"),
    "endpoint_url": ("s3.endpoint",),
}
"""By field of dlt's credentials, pyiceberg's options for it."""
ANY_REGION: Final = "us-east-1"
"""For servers other than AWS, which mind none."""
PYICEBERGS_OWN: Final = (
    "s3.anonymous",
    "s3.connect-timeout",
    "s3.force-virtual-addressing",
    "s3.profile-name",
    "s3.proxy-uri",
    "s3.request-timeout",
    "s3.retry-strategy-impl",
    "s3.role-arn",
    "client.profile-name",
    "client.role-arn",
)
"""Options that only pyiceberg's own file system obeys."""


class S3Access:
    """The file systems of buckets: the lake's own, and others by the options that are given."""

    def __init__(self, files: LakeFiles) -> None:
        self._lake = files
        self._usual = cache(s3_access)

    def file_system(self, bucket: str, properties: Mapping[str, str]) -> fs.FileSystem:
        """The file system of a bucket, by a catalog's or a table's properties."""
        given = _given(properties)
        is_lakes = not self._lake.is_local and self._lake.root.partition("/")[0] == bucket
        if is_lakes and not given:
            return self._lake.arrow_filesystem
        if "endpoint_url" in given:  # Which boto3 knows nothing of.
            given = {"region_name": boto3.Session().region_name or ANY_REGION, **given}
        if "aws_access_key_id" not in given:
            usual = self._usual(bucket, given.get("region_name"))
            place = {"region_name": usual.region_name, "endpoint_url": usual.endpoint_url}
            given = {**usual.to_session_credentials(), **place, **given}
        elif "region_name" not in given:
            given["region_name"] = _region_of(bucket)
        return arrow_s3(AwsCredentials(**given))


def _region_of(bucket: str) -> str:
    try:
        return str(fs.resolve_s3_region(bucket))
    except OSError as error:
        raise CommandError(
            f"The region of s3://{bucket} is not known: set s3.region in the catalog's "
            f"configuration. {error}"
        ) from error


def _given(properties: Mapping[str, str]) -> dict[str, Any]:
    """The fields of dlt's credentials that are given; keys of one family are not mixed."""
    has_keys = (each for each in FAMILIES if properties.get(f"{each}.access-key-id"))
    family = next(has_keys, FAMILIES[0])
    options = {field: (f"{family}.{name}",) for field, name in KEYS.items()} | PLACES
    found = {
        field: next((properties[each] for each in names if properties.get(each)), None)
        for field, names in options.items()
    }
    return {field: text for field, text in found.items() if text}


class LakeFileIO(PyArrowFileIO):
    """Reaches S3 by the keys that are given for a table, else by boto3's.

    Proxy, CA bundle and attempts are always boto3's, unless the properties have options that only
    pyiceberg obeys.
    """

    fs_by_scheme: Callable[[str, str | None], fs.FileSystem]

    def __init__(self, properties: dict[str, Any]) -> None:
        super().__init__(properties)
        access: S3Access = properties[S3_ACCESS]
        by_pyiceberg = self.fs_by_scheme

        @cache
        def file_system(scheme: str, bucket: str | None) -> fs.FileSystem:
            if scheme not in S3_SCHEMES or any(name in properties for name in PYICEBERGS_OWN):
                return by_pyiceberg(scheme, bucket)
            return access.file_system(bucket or "", properties)

        self.fs_by_scheme = file_system
