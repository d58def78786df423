"""The way to S3 is botocore's, in the words of each engine."""

from pathlib import Path
from typing import Any

import pytest
from dlt.common.configuration.specs import AwsCredentials
from pyarrow import fs

from bedrock_async_etl.destinations.delta import storage_options
from bedrock_async_etl.files.object_store import arrow_s3, proxy_of
from tests.conftest import DELTA

DIRECT = {"proxy_url": "http://localhost", "proxy_excludes": "*,0.0.0.0/0,::/0"}


@pytest.fixture
def credentials() -> AwsCredentials:
    found = AwsCredentials()
    found.region_name = "eu-west-1"
    return found


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")


@pytest.mark.parametrize(
    ("variables", "proxy_url"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "http://proxy:3128", "HTTPS_PROXY": ""}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128", "ALL_PROXY": "http://proxy:3128"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "a.test,.amazonaws.com"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "aws.com"}, "http://proxy:3128"),
    ],
)
def test_the_proxy_is_botocores(
    credentials: AwsCredentials,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    proxy_url: str | None,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(credentials) == proxy_url


def test_the_endpoint_counts(credentials: AwsCredentials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://plain:3128")
    monkeypatch.setenv("NO_PROXY", "s3.eu-west-1.amazonaws.com")
    assert proxy_of(credentials) is None
    credentials.endpoint_url = "https://store.test"
    assert proxy_of(credentials) == "http://proxy:3128"
    credentials.endpoint_url = "http://store.test"
    assert proxy_of(credentials) == "http://plain:3128"


@DELTA
def test_the_bundle_is_of_the_environment_or_the_profile(
    credentials: AwsCredentials, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def bundle() -> str:
        return storage_options(credentials)["certificate_path"]

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "requests.pem")
    assert bundle() == "requests.pem"
    config = tmp_path / "config"
    config.write_text("[default]\nca_bundle = default.pem\n[profile other]\nca_bundle = other.pem")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert bundle() == "default.pem"
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert bundle() == "other.pem"
    monkeypatch.setenv("AWS_CA_BUNDLE", "environment.pem")
    assert bundle() == "environment.pem"


@DELTA
@pytest.mark.parametrize(
    ("proxy", "bundle", "arrow", "delta"),
    [
        (None, None, {"proxy_options": None, "tls_ca_file_path": None}, DIRECT),
        (
            "http://proxy:3128",
            "ca.pem",
            {"proxy_options": "http://proxy:3128", "tls_ca_file_path": "ca.pem"},
            {"proxy_url": "http://proxy:3128", "certificate_path": "ca.pem"},
        ),
        (
            "https://user:s%40cret@proxy",
            None,
            {"proxy_options": "https://user:s%40cret@proxy:443", "tls_ca_file_path": None},
            {"proxy_url": "https://user:s%40cret@proxy"},
        ),
        (
            "http://proxy/",
            None,
            {"proxy_options": "http://proxy:80", "tls_ca_file_path": None},
            {"proxy_url": "http://proxy/"},
        ),
    ],
)
def test_each_engine_gets_its_options(
    proxy: str | None,
    bundle: str | None,
    arrow: dict[str, object],
    delta: dict[str, str],
    credentials: AwsCredentials,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("HTTPS_PROXY", proxy), ("AWS_CA_BUNDLE", bundle)):
        if value:
            monkeypatch.setenv(name, value)
    names = ("proxy_url", "proxy_excludes", "certificate_path")
    options = storage_options(credentials)
    assert {name: options[name] for name in names if name in options} == delta
    given: dict[str, Any] = {}
    made = fs.S3FileSystem
    monkeypatch.setattr(
        fs, "S3FileSystem", lambda **options: given.update(options) or made(**options)
    )
    arrow_s3(credentials)
    assert {name: given[name] for name in arrow} == arrow
