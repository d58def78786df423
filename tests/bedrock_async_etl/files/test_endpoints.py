"""The endpoint of S3 that engines get: botocore's, unless they would build the same."""

import pytest

from bedrock_async_etl.files.object_store import _client, _endpoint


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_USE_FIPS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [
        ("us-east-1", None),
        ("eu-west-1", None),
        ("us-gov-west-1", None),
        ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "https://s3.eusc-de-east-1.amazonaws.eu"),
        ("us-iso-east-1", "https://s3.us-iso-east-1.c2s.ic.gov"),
    ],
)
def test_each_partition_of_aws_has_its_own(region: str, endpoint: str | None) -> None:
    assert _endpoint(_client(region)) == endpoint


def test_settings_of_ones_own_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    assert _endpoint(_client("us-east-1")) == "https://s3-fips.us-east-1.amazonaws.com"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.amazonaws.com.example.org")
    monkeypatch.delenv("AWS_USE_FIPS_ENDPOINT")
    assert _endpoint(_client("us-east-1")) == "https://s3.amazonaws.com.example.org"
