"""Behind a company's proxy, every engine takes the proxy and the certificates of AWS's settings."""

import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
import trustme
from botocore.config import Config
from typer.testing import CliRunner, Result

from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.files.urls import S3_RETRIES
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy
from tests.integration.places import served_s3
from tests.integration.processes import COMMAND
from tests.integration.proxy import Proxy

pytestmark = pytest.mark.integration

BUCKET = "lake"
HOST = "storage"
"""Nobody but the proxy can resolve it."""


@dataclass(frozen=True)
class SecureS3:
    """An S3 with an empty bucket behind TLS."""

    endpoint: str
    bundle: Path
    """Has a certificate of another CA before the one that matters."""

    @property
    def address(self) -> str:
        return urlsplit(self.endpoint).netloc


@pytest.fixture(scope="module")
def secure_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureS3]:
    folder = tmp_path_factory.mktemp("certificates")
    bundle, key, chain = (folder / name for name in ("bundle.pem", "key.pem", "chain.pem"))
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST, "127.0.0.1")
    bundle.write_bytes(trustme.CA().cert_pem.bytes() + authority.cert_pem.bytes())
    certificate.private_key_pem.write_to_path(key)
    chain.write_bytes(b"".join(each.bytes() for each in certificate.cert_chain_pems))
    with served_s3("--ssl-cert", str(chain), "--ssl-key", str(key)) as endpoint:
        session = boto3.Session("AKIAIOSFODNN7EXAMPLE", "emulator", region_name=REGION)
        direct = Config(proxies={})
        s3 = session.client("s3", endpoint_url=endpoint, verify=str(bundle), config=direct)
        s3.create_bucket(Bucket=BUCKET)
        yield SecureS3(endpoint, bundle)


@pytest.fixture
def proxy(
    secure_s3: SecureS3, bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Proxy]:
    """The proxy of this process's environment, the way to S3; a local Bedrock is beside it."""
    bedrock.populate(ACCOUNT, REGION, 300, NOW - timedelta(days=1), NOW, 1)
    for name in ("HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with Proxy(int(secure_s3.address.partition(":")[2])) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url_with_password)
        for service in ("S3", "GLUE"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", f"https://{HOST}")
        yield proxy


def new_url() -> str:
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


def run_commands(*commands: list[str]) -> None:
    """Run them in processes of their own: delta-rs holds the lock that the proxy's threads need."""
    for command in commands:
        done = subprocess.run(
            [*COMMAND, *command], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.soak
@pytest.mark.parametrize(
    ("table_format", "setting"),
    [("parquet", "AWS_CA_BUNDLE"), ("delta", "ca_bundle"), ("iceberg", "AWS_CA_BUNDLE")],
)
def test_all_commands_go_through_the_proxy_alone(
    table_format: str,
    setting: str,
    secure_s3: SecureS3,
    proxy: Proxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if setting == "AWS_CA_BUNDLE":
        monkeypatch.setenv(setting, str(secure_s3.bundle))
    else:
        (tmp_path / "config").write_text(f"[default]\n{setting} = {secure_s3.bundle}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    lake = f"--lake={new_url()}"
    catalog = ["--catalog=glue"] if table_format == "iceberg" else []
    run_commands(
        ["run", lake, f"--destination={table_format}", "--no-models", *catalog],
        ["compact", lake, "--grace=0"],
        ["status", lake],
        ["export", new_url(), lake],  # Of few files, as there are no models yet.
        ["models", lake],
    )
    assert proxy.tunnels.keys() == {f"{HOST}:443"}


def test_a_host_of_no_proxy_is_reached_without_the_proxy(
    secure_s3: SecureS3, proxy: Proxy, bedrock: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(secure_s3.bundle))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", secure_s3.endpoint)
    monkeypatch.setenv("NO_PROXY", secure_s3.address)
    url = new_url()
    run_commands(["run", f"--lake={url}", "--destination=delta", "--no-models"])
    assert proxy.tunnels == Counter()
    assert_exact_copy(LakeDestination(url), bedrock)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def commands(proxy: Proxy, database: Path) -> list[list[str]]:
    """All that begin with S3 by themselves."""
    invoke("run", f"--database={database}", "--no-models")
    return [["run", f"--lake={new_url()}"], ["export", new_url(), f"--database={database}"]]


def test_a_certificate_that_is_not_trusted_is_told_at_once_with_the_remedy(
    proxy: Proxy, commands: list[list[str]]
) -> None:
    for command in commands:
        result = invoke(*command)
        [line] = result.stderr.splitlines()
        assert (result.exit_code, "CERTIFICATE_VERIFY_FAILED" in line) == (1, True)
        assert line.endswith(
            "Behind a proxy with a CA of its own, set AWS_CA_BUNDLE to the CA's file."
        )
    assert proxy.tunnels.total() == len(commands)


def test_a_bundle_that_is_not_there_is_told(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such.pem")
    for command in commands:
        result = invoke(*command)
        assert (result.exit_code, result.stderr) == (
            2,
            "Error: There is no CA bundle /no/such.pem: correct AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE "
            "or the profile's ca_bundle.\n",
        )


def test_the_password_of_a_proxy_that_refuses_is_not_printed(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(S3_RETRIES["retries"], "total_max_attempts", 1)
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@127.0.0.1:1")
    for command in commands:
        result = invoke(*command, "--debug")
        assert (result.exit_code, "secret" in result.output) == (1, False)
        assert "ProxyConnectionError" in result.stderr
