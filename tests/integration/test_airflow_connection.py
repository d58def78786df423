"""An Airflow connection, read by the Amazon provider's hook, as boto3 finds it in a task."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from bedrock_emulator import Control
from tests.integration.airflow_server import AirflowHome

pytestmark = pytest.mark.integration

OTHER = "444455556666"
ROLE = f"arn:aws:iam::{OTHER}:role/reader"
WORKER = {"AWS_SESSION_TOKEN": "another's", "AWS_PROFILE": "missing"}
"""In the environment of the worker."""
NO_KEYS = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))
NO_PROFILE = dict.fromkeys(("AWS_PROFILE", "AWS_DEFAULT_PROFILE"))
SEEN = """
import json, os, sys
from bedrock_async_etl.airflow import aws_connection

def aws():
    return {name: text for name, text in os.environ.items() if name.startswith("AWS_")}

def seen(conn_id):
    try:
        with aws_connection(conn_id):
            found = {"environment": aws()}
            if "--call" in sys.argv:
                import boto3
                caller = boto3.Session().client("sts").get_caller_identity()
                found |= {"account": caller["Account"], "arn": caller["Arn"]}
            return found
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}

before = aws()
result = {conn_id: seen(conn_id) for conn_id in sys.argv[1].split(",")}
assert aws() == before
print("RESULT", json.dumps(result))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    return AirflowHome(tmp_path_factory.mktemp("airflow"))


def connection(conn_type: str = "aws", **members: Any) -> str:
    return json.dumps({"conn_type": conn_type, **members})


def seen(
    home: AirflowHome, connections: dict[str, str], *flags: str, **variables: str
) -> dict[str, dict[str, Any]]:
    """What a task finds while it has each of the connections."""
    by_name = {f"AIRFLOW_CONN_{name.upper()}": text for name, text in connections.items()}
    command = (sys.executable, "-c", SEEN, ",".join(connections), *flags)
    printed = home.execute(*command, **by_name, **variables)
    found: dict[str, dict[str, Any]] = json.loads(printed[printed.rindex("RESULT ") + 7 :])
    return found


def changed(found: dict[str, Any], worker: dict[str, str]) -> dict[str, str | None]:
    """The variables that a connection sets, or (None) takes away."""
    environment = found["environment"]
    before = {"AWS_EC2_METADATA_DISABLED": "true", **worker}
    gone = {name: None for name in before if name not in environment}
    return gone | {name: text for name, text in environment.items() if text != before.get(name)}


def test_keys_profile_region_and_endpoints_are_what_boto3_finds(home: AirflowHome) -> None:
    endpoints = {
        "endpoint_url": "https://all",
        "service_config": {
            "bedrock-runtime": {"endpoint_url": "https://one"},
            "s3": {"bucket_name": "b"},
        },
    }
    session = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "aws_session_token": "c"}
    region = {"region_name": "eu-west-1"}
    found = seen(
        home,
        {
            "login": connection(login="AKIA", password="secret", extra=region),
            "generic": connection("generic", login="AKIA", password="secret"),
            "session": connection(extra=session),
            "profile": connection(extra={"profile_name": "etl"}),
            "endpoints": connection(extra=endpoints),
            "empty": connection(),
        },
        **WORKER,
    )
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret"}
    assert {name: changed(each, WORKER) for name, each in found.items()} == {
        "login": {
            "AWS_PROFILE": None,
            "AWS_SESSION_TOKEN": None,
            **keys,
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
        },
        "generic": {"AWS_PROFILE": None, "AWS_SESSION_TOKEN": None, **keys},
        "session": {
            "AWS_PROFILE": None,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_SESSION_TOKEN": "c",
        },
        "profile": {"AWS_SESSION_TOKEN": None, "AWS_PROFILE": "etl"},
        "endpoints": {
            "AWS_ENDPOINT_URL": "https://all",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://one",
        },
        "empty": {},
    }


def emulated(**extra: Any) -> dict[str, Any]:
    """Members of a connection that leads to the local STS."""
    endpoint = {"sts": {"endpoint_url": os.environ["AWS_ENDPOINT_URL_STS"]}}
    return {"extra": {"region_name": "us-east-1", "service_config": endpoint, **extra}}


def test_tasks_call_as_the_connections_keys_or_its_role(
    home: AirflowHome, bedrock: Control
) -> None:
    refused = f"arn:aws:iam::{OTHER}:role/refused"
    bedrock.refuse_role(refused)
    own = {"login": os.environ["AWS_ACCESS_KEY_ID"], "password": "emulator"}
    other = {"login": f"AKIA{OTHER}EMUL", "password": "emulator"}
    asked = {"RoleSessionName": "audit", "ExternalId": "etl", "DurationSeconds": 7_200}
    found = seen(
        home,
        {
            "keys": connection(**other, **emulated()),
            "role": connection(**own, **emulated(role_arn=ROLE)),
            "session": connection(**own, **emulated(role_arn=ROLE, assume_role_kwargs=asked)),
            "refused": connection(**own, **emulated(role_arn=refused)),
        },
        "--call",
        **WORKER,
    )
    accounts = {name: each.get("account") for name, each in found.items()}
    assert accounts == {"keys": OTHER, "role": OTHER, "session": OTHER, "refused": None}
    assert found["session"]["arn"].endswith(":assumed-role/reader/audit")
    assert found["refused"]["error"].startswith(
        f"CommandError: The connection refused cannot assume {refused}: AccessDenied"
    )


def test_a_connection_that_would_not_be_used_as_it_says_is_refused(home: AirflowHome) -> None:
    found = seen(
        home,
        {
            "http": connection("http"),
            "half": connection(login="AKIA"),
            "verify": connection(extra={"verify": False}),
            "config": connection(extra={"config_kwargs": {"retries": {}}}),
        },
    )
    assert {name: each["error"].partition(": ")[2] for name, each in found.items()} == {
        "http": "The connection http has the type 'http': change it to aws.",
        "half": "The connection half has an access key without its secret: put the key into the "
        "login, and the secret into the password.",
        "verify": "The connection verify has verify in its extra, which has no effect here: "
        "remove it.",
        "config": "The connection config has config_kwargs in its extra, which has no effect "
        "here: remove it.",
    }
    assert all(each["error"].startswith("UsageError: ") for each in found.values())


def test_without_the_provider_the_remedy_is_named(home: AirflowHome, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "sitecustomize.py").write_text(
        "import sys\nsys.modules['airflow.providers.amazon.aws.hooks.base_aws'] = None\n"
    )
    found = seen(home, {"any": connection()}, PYTHONPATH=str(absent))
    assert "`pip install apache-airflow-providers-amazon`" in found["any"]["error"]
