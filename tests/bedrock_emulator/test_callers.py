"""Accounts come from access keys, roles and bearer tokens; unknown ones are turned away."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import orjson
import pytest
from botocore.exceptions import ClientError

from bedrock_emulator import Control, Emulator

from .conftest import Connect
from .wire import ACCOUNT, HOUR, MINUTE, NOW, OTHER_ACCOUNT, REGION, access_key, arns, fetch, signed

ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/team/reader"


def assume(connect: Connect, **more: Any) -> dict[str, str]:
    """Client options of a session of the role."""
    session = connect("sts").assume_role(RoleArn=ROLE, RoleSessionName="etl", **more)
    return {
        "aws_access_key_id": session["Credentials"]["AccessKeyId"],
        "aws_secret_access_key": session["Credentials"]["SecretAccessKey"],
        "aws_session_token": session["Credentials"]["SessionToken"],
    }


def identity(connect: Connect, **keys: str) -> dict[str, Any]:
    """Who STS says the caller is."""
    answer: dict[str, Any] = connect("sts", **keys).get_caller_identity()
    del answer["ResponseMetadata"]
    return answer


def test_the_environment_is_all_that_boto3_needs(
    emulator: Emulator, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients of both services find the emulator, the account and the region.

    That holds where the caller's environment would have SDKs ignore the endpoints.
    """
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    for name, value in emulator.environment(OTHER_ACCOUNT, "eu-central-1").items():
        monkeypatch.setenv(name, value)
    arn = control.submit(OTHER_ACCOUNT, "eu-central-1", submit_time=NOW)
    session = boto3.Session()
    bedrock, sts = session.client("bedrock-runtime"), session.client("sts")

    assert arns(bedrock.list_async_invokes()["asyncInvokeSummaries"]) == [arn]
    assert sts.get_caller_identity()["Account"] == OTHER_ACCOUNT
    bedrock.close()
    sts.close()


def test_a_permanent_key_is_a_user_of_its_account(connect: Connect) -> None:
    """GetCallerIdentity says who."""
    assert identity(connect) == {
        "UserId": f"AIDA{ACCOUNT}EMUL",
        "Account": ACCOUNT,
        "Arn": f"arn:aws:iam::{ACCOUNT}:user/emulator",
    }


def test_a_role_session_acts_in_the_roles_account(control: Control, connect: Connect) -> None:
    """Both services take its credentials for the role's account."""
    keys = assume(connect)
    arn = control.submit(OTHER_ACCOUNT, REGION, submit_time=NOW)

    assert identity(connect, **keys) == {
        "UserId": f"AROA{OTHER_ACCOUNT}EMUL:etl",
        "Account": OTHER_ACCOUNT,
        "Arn": f"arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/reader/etl",
    }
    assert keys["aws_access_key_id"].startswith(f"ASIA{OTHER_ACCOUNT}")
    assert len(keys["aws_access_key_id"]) == 20
    assert arns(connect(**keys).list_async_invokes()["asyncInvokeSummaries"]) == [arn]


def test_a_refused_role_cannot_be_assumed(control: Control, connect: Connect) -> None:
    """AccessDenied, until roles are reset."""
    control.refuse_role(ROLE)

    with pytest.raises(ClientError) as caught:
        assume(connect)

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert caught.value.response["Error"] == {
        "Type": "Sender",
        "Code": "AccessDenied",
        "Message": f"User: arn:aws:iam::{ACCOUNT}:user/emulator is not authorized to perform: "
        f"sts:AssumeRole on resource: {ROLE}",
    }
    control.reset_roles()
    assert assume(connect)


def test_a_misdirected_role_lands_in_another_account(control: Control, connect: Connect) -> None:
    """Its session is not of the account that the role's ARN names."""
    control.misdirect_role(ROLE, "777788889999")
    strays = control.submit("777788889999", REGION, submit_time=NOW)

    keys = assume(connect)

    assert identity(connect, **keys)["Account"] == "777788889999"
    assert arns(connect(**keys).list_async_invokes()["asyncInvokeSummaries"]) == [strays]


def test_sessions_expire_on_the_virtual_clock(control: Control, connect: Connect) -> None:
    """After the time that was asked for, in both services' own words."""
    keys = assume(connect, DurationSeconds=900)
    control.advance(15 * MINUTE - timedelta(milliseconds=1))
    connect(**keys).list_async_invokes()
    control.advance(timedelta(milliseconds=1))

    with pytest.raises(ClientError, match="ExpiredTokenException") as caught:
        connect(**keys).list_async_invokes()
    with pytest.raises(ClientError, match=r"\(ExpiredToken\)"):
        identity(connect, **keys)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_sessions_can_be_made_short(control: Control, connect: Connect) -> None:
    """Whatever the request asks for."""
    control.limit_sessions(MINUTE)
    keys = assume(connect)
    control.advance(MINUTE)

    with pytest.raises(ClientError, match="ExpiredTokenException"):
        connect(**keys).list_async_invokes()


def test_sessions_can_be_made_to_expire_at_once(control: Control, connect: Connect) -> None:
    """A limit of nothing is a limit."""
    control.limit_sessions(timedelta(0))
    keys = assume(connect)

    with pytest.raises(ClientError, match="ExpiredTokenException"):
        connect(**keys).list_async_invokes()


def test_the_expiration_is_in_real_time(connect: Connect) -> None:
    """SDKs compare it with the machine's clock: a virtual one would confuse them."""
    answer = connect("sts").assume_role(RoleArn=ROLE, RoleSessionName="etl", DurationSeconds=900)

    remaining = answer["Credentials"]["Expiration"] - datetime.now(UTC)

    assert timedelta(minutes=14) < remaining <= timedelta(minutes=15)


def test_what_is_no_role_cannot_be_assumed(connect: Connect) -> None:
    """A ValidationError, as STS calls it."""
    with pytest.raises(ClientError, match="ValidationError"):
        connect("sts").assume_role(RoleArn="reader", RoleSessionName="etl")


@pytest.mark.parametrize(
    "keys",
    [
        {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE"},
        {"aws_access_key_id": f"ASIA{ACCOUNT}AAAA", "aws_session_token": "made up"},
    ],
)
def test_an_unknown_key_is_unrecognized(connect: Connect, keys: dict[str, str]) -> None:
    """In both services' own words."""
    with pytest.raises(ClientError, match="UnrecognizedClientException") as caught:
        connect(**keys).list_async_invokes()
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        identity(connect, **keys)

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_permanent_key_is_good_with_any_token(connect: Connect) -> None:
    """One of an older session may be left in the environment."""
    keys = {"aws_session_token": "left behind"}

    assert identity(connect, **keys)["Account"] == ACCOUNT
    assert connect(**keys).list_async_invokes()["asyncInvokeSummaries"] == []


def test_a_session_needs_its_token(connect: Connect) -> None:
    """The keys of a session without its token, or with another's, are worth nothing."""
    keys, others = assume(connect), assume(connect)

    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        connect(**{**keys, "aws_session_token": others["aws_session_token"]}).list_async_invokes()


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "IncompleteSignatureException"),
        ("Basic eDp5", "IncompleteSignatureException"),
        (signed(service="s3"), "IncompleteSignatureException"),
    ],
)
def test_a_request_that_is_not_signed_for_bedrock_is_refused(
    emulator: Emulator, authorization: str | None, code: str
) -> None:
    """403, and why."""
    status, headers, body = fetch(emulator.url, "/async-invoke", authorization=authorization)

    assert (status, headers["x-amzn-ErrorType"]) == (403, code)
    assert orjson.loads(body)["message"]


def test_a_bearer_token_belongs_to_the_configured_account() -> None:
    """A bearer token carries neither account nor region."""
    with Emulator(NOW, bearer_account=OTHER_ACCOUNT, default_region="us-west-2") as emulator:
        arn = emulator.control.submit(OTHER_ACCOUNT, "us-west-2", submit_time=NOW - HOUR)

        _, _, body = fetch(emulator.url, "/async-invoke", authorization="Bearer bedrock-api-key")

    assert arns(orjson.loads(body)["asyncInvokeSummaries"]) == [arn]


def test_the_key_is_readable() -> None:
    """AKIA, the account, EMUL: 20 characters as AWS has them."""
    assert access_key(ACCOUNT) == "AKIA111122223333EMUL"


def test_a_role_may_trust_one_principal_and_an_external_id(
    control: Control, connect: Connect
) -> None:
    """Both have to be right where both are asked for."""
    hub = "arn:aws:iam::777788889999:role/hub"
    control.trust(ROLE, principal=hub, external_id="id-1")
    session = connect("sts").assume_role(RoleArn=hub, RoleSessionName="etl")["Credentials"]
    by_hub = connect(
        "sts",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    for client, external_id in ((connect("sts"), "id-1"), (by_hub, "id-2")):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.assume_role(RoleArn=ROLE, RoleSessionName="etl", ExternalId=external_id)

    by_hub.assume_role(RoleArn=ROLE, RoleSessionName="etl", ExternalId="id-1")

    assert [each["arn"].rpartition(":")[2] for each in control.sessions()] == [
        "assumed-role/hub/etl",
        "assumed-role/reader/etl",
    ]


def test_a_closed_account_turns_away_its_sessions_and_its_roles(
    control: Control, connect: Connect
) -> None:
    """Until all is undone."""
    keys = assume(connect)
    control.close_account(OTHER_ACCOUNT)

    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        connect(**keys).list_async_invokes()
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(connect)

    control.reset_roles()
    assert connect(**keys).list_async_invokes()["asyncInvokeSummaries"] == []
