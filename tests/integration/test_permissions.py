"""The policies of docs/aws.md are enough for all that the commands do, and not more than enough."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from moto.iam.models import iam_backends
from moto.server import ThreadedMotoServer
from typer.testing import CliRunner

from bedrock_async_etl.cli import app
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.integration.documents import read_blocks
from tests.organizations import Organization

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
WITHOUT_PERMISSION = {"sts:GetCallerIdentity"}
LISTING, ROLES, LAKE, GLUE = (
    json.loads(block.text)
    for block in read_blocks(ROOT, "docs/aws.md")
    if block.language == "json" and "Principal" not in block.text
)


def actions(*policies: dict[str, Any]) -> set[str]:
    found = [each["Action"] for policy in policies for each in policy["Statement"]]
    return {action for each in found for action in ([each] if isinstance(each, str) else each)}


def without(policy: dict[str, Any], action: str) -> dict[str, Any]:
    """A policy that allows all else."""
    statements = [
        each | {"Action": sorted(actions({"Statement": [each]}) - {action})}
        for each in policy["Statement"]
    ]
    return policy | {"Statement": [each for each in statements if each["Action"]]}


def as_moto_reads_it(policy: dict[str, Any]) -> dict[str, Any]:
    """S3 asks for ListBucket where a bucket is looked for, moto for an action that IAM lacks."""
    statements = [
        each | {"Action": [action.replace("ListBucket", "HeadBucket"), action]}
        for each in policy["Statement"]
        for action in actions({"Statement": [each]})
    ]
    return policy | {"Statement": statements}


class Calls(logging.Handler):
    """The actions of all calls that botocore makes."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.actions: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith("Making request") and isinstance(record.args, tuple):
            operation: Any = record.args[0]
            self.actions.add(f"{operation.service_model.signing_name}:{operation.name}")


@pytest.fixture
def calls() -> Iterator[Calls]:
    logger, handler = logging.getLogger("botocore.endpoint"), Calls()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def bucket(bedrock: Control, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 that asks whether the caller of the emulator may; its endpoint."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    boto3.client("s3").create_bucket(Bucket="my-bucket")
    yield endpoint
    requests.post(f"{endpoint}/moto-api/reset", timeout=10)
    server.stop()


@contextmanager
def allowed(policy: dict[str, Any], endpoint: str) -> Iterator[None]:
    """The caller may do what the policy says; afterwards everything."""
    iam = iam_backends["123456789012"]["aws"]
    iam.create_user(REGION, "caller")
    key = iam.create_access_key("caller")
    # The emulator knows by its key whose a call is.
    key.access_key_id, key.secret_access_key = f"AKIA{ACCOUNT}EMUL", "emulator"
    iam.put_user_policy("caller", "policy", json.dumps(as_moto_reads_it(policy)))
    requests.post(f"{endpoint}/moto-api/reset-auth", data="0", timeout=10)
    try:
        yield
    finally:
        requests.post(f"{endpoint}/moto-api/reset-auth", data="1000000", timeout=10)


def fails(command: str) -> int:
    """The exit code. In a process of its own: Arrow waits for S3 with Python's lock in its hand."""
    process = [sys.executable, "-m", "bedrock_async_etl", *command.split()]
    return subprocess.run(process, capture_output=True, check=False).returncode


LAKE_URL, EXPORT_URL = "s3://my-bucket/bedrock/lake", "s3://my-bucket/bedrock/export"
LOADS = f"run --lake {LAKE_URL}"
READS = (
    f"models --lake {LAKE_URL}",
    f"status --lake {LAKE_URL}",
    f"check --lake {LAKE_URL} --max-lag 1h",
    f"report report.html --lake {LAKE_URL}",
    f"export {EXPORT_URL} --lake {LAKE_URL}",
    f"compact --lake {LAKE_URL} --grace 0",
)


def first_failure(bedrock: Control, kind: str) -> str | None:
    """Of all commands; the second time there is something to replace and to remove."""
    for commands in ((f"{LOADS} --destination {kind}", *READS), (LOADS, *READS)):
        for command in commands:
            if code := fails(command):
                return f"{command}: {code}"
        bedrock.advance(timedelta(hours=6))
    return None


@pytest.fixture
def listed(bedrock: Control, database: Path) -> Control:
    bedrock.populate(ACCOUNT, REGION, 500, NOW - timedelta(days=2), NOW + timedelta(days=1))
    return bedrock


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["parquet", "delta"])
def test_the_policy_of_a_lake_is_enough(kind: str, listed: Control, bucket: str) -> None:
    with allowed(LAKE, bucket):
        assert first_failure(listed, kind) is None


@pytest.mark.soak
@pytest.mark.parametrize("action", sorted(actions(LAKE)))
def test_the_policy_of_a_lake_has_nothing_to_spare(
    action: str, listed: Control, bucket: str
) -> None:
    with allowed(without(LAKE, action), bucket):
        assert first_failure(listed, "parquet")


def test_the_policies_are_the_calls_that_are_made(
    listed: Control, organization: Organization, calls: Calls, database: Path
) -> None:
    organization.has(ACCOUNT)
    organization.has("444455556666")
    own = f"run --database {database}"
    assert CliRunner().invoke(app, own.split()).exit_code == 0
    assert calls.actions - WITHOUT_PERMISSION == actions(LISTING)
    all_accounts = f"{own} --organization-role bedrock-async-etl"
    assert CliRunner().invoke(app, all_accounts.split()).exit_code == 0
    assert calls.actions - WITHOUT_PERMISSION == actions(LISTING, ROLES)


@pytest.mark.parametrize("document", ["README.md"])
def test_a_policy_shown_elsewhere_is_the_same(document: str) -> None:
    blocks = [block for block in read_blocks(ROOT, document) if '"Statement"' in block.text]
    shown = [json.loads(block.text) for block in blocks]
    permissions = [policy for policy in shown if "Principal" not in policy["Statement"][0]]
    assert permissions
    assert all(policy in (LISTING, ROLES, LAKE, GLUE) for policy in permissions)


@pytest.mark.soak
@pytest.mark.parametrize("lake_url", ["s3"], indirect=True)
def test_the_policy_of_glue_is_the_calls_that_are_made(
    listed: Control, lake_url: str, calls: Calls, tmp_path: Path
) -> None:
    (tmp_path / "mine.sql").write_text("select 1 as one")
    lake = ["--lake", lake_url]
    chosen = [*lake, "--destination=iceberg", "--catalog=glue", f"--models={tmp_path}"]
    assert CliRunner().invoke(app, ["run", *chosen]).exit_code == 0
    (tmp_path / "mine.sql").unlink()
    (tmp_path / "other.sql").write_text("select 1 as one")
    for command in (["run", *chosen], ["compact", *lake, "--grace=0"], ["status", *lake]):
        assert CliRunner().invoke(app, command).exit_code == 0
    assert {each for each in calls.actions if each.startswith("glue:")} == actions(GLUE)
