"""An Airflow connection as boto3 finds it."""

import os
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest

from bedrock_async_etl.aws_connection import connection_environment, role_environment
from bedrock_async_etl.configuration import environment
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_emulator import Control
from tests.conftest import ACCOUNT

OTHER = "444455556666"
ROLE = f"arn:aws:iam::{OTHER}:role/reader"


@dataclass
class Connection:
    """As Airflow's, without Airflow."""

    login: str | None = None
    password: str | None = None
    extra_dejson: dict[str, Any] = field(default_factory=dict)
    conn_type: str = "aws"
    conn_id: str = "aws_bedrock"


def caller(connection: Connection) -> str:
    """The account that boto3 calls as."""
    with (
        environment(connection_environment(connection)),
        environment(role_environment(connection)),
    ):
        return str(boto3.Session().client("sts").get_caller_identity()["Account"])


def test_login_and_password_are_keys_and_win_over_what_the_worker_has(
    bedrock: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "another's")
    monkeypatch.setenv("AWS_PROFILE", "missing")
    connection = Connection(f"AKIA{OTHER}EMUL", "emulator", {"region_name": "eu-west-1"})
    assert connection_environment(connection) == {
        "AWS_PROFILE": None,
        "AWS_DEFAULT_PROFILE": None,
        "AWS_ACCESS_KEY_ID": f"AKIA{OTHER}EMUL",
        "AWS_SECRET_ACCESS_KEY": "emulator",
        "AWS_SESSION_TOKEN": None,
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    assert caller(connection) == OTHER
    assert os.environ["AWS_SESSION_TOKEN"] == "another's"


def test_a_connection_made_without_the_provider_for_amazon_is_generic() -> None:
    extra = {"region_name": "eu-west-1"}
    generic = Connection(extra_dejson=extra, conn_type="generic")
    assert connection_environment(generic) == connection_environment(Connection(extra_dejson=extra))


def test_keys_can_be_in_the_extra_with_their_session_token() -> None:
    extra = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "aws_session_token": "c"}
    found = connection_environment(Connection(extra_dejson=extra))
    assert [found[name] for name in sorted(found) if found[name]] == ["a", "b", "c"]


def test_a_profile_is_not_hidden_by_the_workers_keys() -> None:
    assert connection_environment(Connection(extra_dejson={"profile_name": "etl"})) == {
        "AWS_ACCESS_KEY_ID": None,
        "AWS_SECRET_ACCESS_KEY": None,
        "AWS_SESSION_TOKEN": None,
        "AWS_PROFILE": "etl",
    }


def test_endpoints_are_those_of_all_services_and_of_single_ones() -> None:
    extra = {
        "endpoint_url": "https://all",
        "service_config": {
            "bedrock-runtime": {"endpoint_url": "https://one"},
            "s3": {"bucket_name": "b"},
        },
    }
    assert connection_environment(Connection(extra_dejson=extra)) == {
        "AWS_ENDPOINT_URL": "https://all",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://one",
    }


def test_an_empty_connection_leaves_it_to_boto3(bedrock: Control) -> None:
    assert connection_environment(Connection()) == {}
    assert caller(Connection()) == ACCOUNT


def test_a_role_is_assumed(bedrock: Control) -> None:
    asked = {"ExternalId": "etl", "DurationSeconds": 7_200}
    extra = {"role_arn": ROLE, "assume_role_kwargs": asked}
    assert caller(Connection(extra_dejson=extra)) == OTHER


def test_a_role_that_is_refused_is_told_in_one_line(bedrock: Control) -> None:
    bedrock.refuse_role(ROLE)
    with pytest.raises(CommandError, match=f"aws_bedrock cannot assume {ROLE}: .*AccessDenied"):
        caller(Connection(extra_dejson={"role_arn": ROLE}))


@pytest.mark.parametrize(
    ("connection", "complaint"),
    [
        (Connection(conn_type="http"), "is of the type 'http': make it one of aws."),
        (Connection("AKIA"), "has an access key without its secret"),
        (Connection(extra_dejson={"host": "x"}), "has host in its extra, which is not understood"),
        (
            Connection(extra_dejson={"assume_role_method": "assume_role_with_saml"}),
            "assume_role_method can be assume_role alone.",
        ),
    ],
)
def test_what_would_be_left_unheard_is_refused(connection: Connection, complaint: str) -> None:
    with pytest.raises(UsageError) as told:
        connection_environment(connection)
    assert str(told.value).startswith("The connection aws_bedrock")
    assert complaint in str(told.value)
