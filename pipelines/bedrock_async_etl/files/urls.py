"""Folders by their URLs, and the reasons why they cannot be read or written, with remedies."""

import errno
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import fsspec
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, SSLError

from bedrock_async_etl.errors import CommandError, UsageError, require
from bedrock_async_invokes.client import ca_bundle
from bedrock_async_invokes.errors import describe

SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""Longer than a letter, which would be a drive of Windows."""
S3: Final = re.compile(r"s3://[^/]+")
S3_ATTEMPTS: Final = 10
"""Per call of any client: a bad minute of S3 uses up the usual three."""
S3_RETRIES: Final = {"retries": {"mode": "standard", "total_max_attempts": S3_ATTEMPTS}}
"""The same for botocore."""
FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def is_s3(url: str) -> bool:
    """True for a URL of S3."""
    return url.startswith("s3://")


def absolute(url: str) -> str:
    """The URL or path, for whoever is in another folder."""
    return url.rstrip("/") if is_s3(url) else str(Path(url.removeprefix("file://")).resolve())


def open_url(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The filesystem and the root of a local path or `s3://bucket/prefix`.

    S3 is reached as boto3 would: its chain of credentials, AWS_ENDPOINT_URL and the like. Listings
    are not cached, since other processes write there too. Raises `UsageError` for other URLs,
    `CommandError` where s3fs is missing.
    """
    is_known = S3.match(url) or url.startswith("file://")
    if not url or (SCHEME.match(url) and not is_known):
        raise UsageError(f"{url!r} is neither a folder nor s3://BUCKET/PATH.")
    given = {}
    if is_s3(url):
        require("s3fs", "lake", "S3")
        given = _s3_arguments()
    fs, root = fsspec.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True, **given)
    fs.retries = S3_ATTEMPTS  # s3fs's own, for answers whose body is cut short.
    return fs, root.rstrip("/")


def _s3_arguments() -> dict[str, Any]:
    from aiobotocore.session import AioSession  # Only in the extra `lake`.

    session = AioSession()
    bundle = ca_bundle(session)
    if bundle and not Path(bundle).is_file():
        raise UsageError(
            f"There is no CA bundle {bundle}: correct AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE or the "
            "profile's ca_bundle."
        )
    session.register("needs-retry.s3", raise_untrusted_certificate)
    return {"config_kwargs": S3_RETRIES, "session": session}


def raise_untrusted_certificate(caught_exception: Exception | None, **_: Any) -> None:
    """Raise the error of a certificate that is not trusted, which botocore would retry for long."""
    if isinstance(caught_exception, SSLError) and "CERTIFICATE_VERIFY" in str(caught_exception):
        raise caught_exception


def names_in(fs: fsspec.AbstractFileSystem, folder: str) -> set[str]:
    """The names in a folder, none if it is missing.

    Unlike with `exists`, an error is never taken for a no. S3 may list the folder itself.
    """
    try:
        paths = fs.ls(folder, detail=False, refresh=True)
    except FileNotFoundError:
        return set()
    return {path.rstrip("/").rpartition("/")[2] for path in paths if path.rstrip("/") != folder}


@contextmanager
def one_line_errors(url: str) -> Iterator[None]:
    """Raise `CommandError` with the remedy for errors of an export to a URL."""
    try:
        yield
    except (OSError, BotoCoreError, ClientError) as error:
        raise CommandError(f"Cannot export to {url}: {remedy(url, error)}") from error
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        if "No space left" in reason:
            reason = f"no space is left in {tempfile.gettempdir()}: free some, or set TMPDIR."
        raise CommandError(f"The export failed: {reason}") from error


def remedy(url: str, error: Exception) -> str:
    """The reason why a URL cannot be read or written, and what to do."""
    if isinstance(error, OSError) and error.errno in FULL:
        return "no space is left. Free some and try again: what was there is as it was."
    if isinstance(error, NoCredentialsError):
        return "no AWS credentials found. Set AWS_PROFILE, or log in with `aws sso login`."
    if isinstance(error, PermissionError) or (
        isinstance(error, OSError) and error.errno == errno.EROFS
    ):
        return f"access is denied ({error.strerror or error}). {permissions(url)}"
    if isinstance(error, FileNotFoundError) and is_s3(url):
        return f"{error.strerror or error}. Make the bucket, or correct the URL."
    if isinstance(error, NotADirectoryError | FileExistsError):
        return "a file is in the way. Give the name of a folder."
    return describe(error)


def permissions(url: str) -> str:
    """The permissions that a URL needs, as a remedy."""
    if not is_s3(url):
        return "Give a folder that can be written to."
    bucket, _, prefix = url.removeprefix("s3://").rstrip("/").partition("/")
    objects = f"{bucket}/{prefix}/*" if prefix else f"{bucket}/*"
    return (
        f"Check the credentials; allow s3:ListBucket on arn:aws:s3:::{bucket}, and s3:GetObject, "
        f"s3:PutObject and s3:DeleteObject on arn:aws:s3:::{objects}."
    )
