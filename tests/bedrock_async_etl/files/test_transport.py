"""The way to S3 is botocore's, in the words of each engine."""

from pathlib import Path

import pytest
from dlt.common.configuration.specs import AwsCredentials
from pyarrow import fs

from bedrock_async_etl.files.object_store import transport
from bedrock_async_etl.files.transport import Transport

S3 = "https://s3.eu-west-1.amazonaws.com"
DIRECT = {"proxy_url": "http://localhost", "proxy_excludes": "*,0.0.0.0/0,::/0"}


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
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], proxy_url: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Transport.to(S3) == Transport(proxy_url, None)


def test_the_endpoint_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://plain:3128")
    monkeypatch.setenv("NO_PROXY", "s3.eu-west-1.amazonaws.com")
    credentials = AwsCredentials()
    credentials.region_name = "eu-west-1"
    assert transport(credentials).proxy_url is None
    credentials.endpoint_url = "https://store.test"
    assert transport(credentials).proxy_url == "http://proxy:3128"
    credentials.endpoint_url = "http://store.test"
    assert transport(credentials).proxy_url == "http://plain:3128"


def test_the_bundle_is_of_the_environment_or_the_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "requests.pem")
    assert Transport.to(S3).ca_bundle == "requests.pem"
    config = tmp_path / "config"
    config.write_text("[default]\nca_bundle = default.pem\n[profile other]\nca_bundle = other.pem")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert Transport.to(S3).ca_bundle == "default.pem"
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert Transport.to(S3).ca_bundle == "other.pem"
    monkeypatch.setenv("AWS_CA_BUNDLE", "environment.pem")
    assert Transport.to(S3).ca_bundle == "environment.pem"


@pytest.mark.parametrize(
    ("way", "arrow", "delta"),
    [
        (Transport(None, None), {"proxy_options": None, "tls_ca_file_path": None}, DIRECT),
        (
            Transport("http://proxy:3128", "ca.pem"),
            {"proxy_options": "http://proxy:3128", "tls_ca_file_path": "ca.pem"},
            {"proxy_url": "http://proxy:3128", "certificate_path": "ca.pem"},
        ),
        (
            Transport("https://user:s%40cret@proxy", None),
            {"proxy_options": "https://user:s%40cret@proxy:443", "tls_ca_file_path": None},
            {"proxy_url": "https://user:s%40cret@proxy"},
        ),
        (
            Transport("http://proxy/", None),
            {"proxy_options": "http://proxy:80", "tls_ca_file_path": None},
            {"proxy_url": "http://proxy/"},
        ),
    ],
)
def test_each_engine_gets_its_options(
    way: Transport, arrow: dict[str, object], delta: dict[str, str]
) -> None:
    assert (way.arrow_options(), way.delta_options()) == (arrow, delta)
    fs.S3FileSystem(region="eu-west-1", **arrow)


def test_the_password_of_a_proxy_is_not_shown() -> None:
    assert "secret" not in repr(Transport("http://user:secret@proxy:3128", None))
