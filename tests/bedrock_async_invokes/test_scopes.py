"""Which accounts and regions are read, and with whose credentials."""

import os

import pytest

from bedrock_async_invokes.errors import OptionError, ScopeError
from bedrock_async_invokes.scopes import find_accounts, find_regions
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION

ROLE = "arn:aws:iam::444455556666:role/reader"


def test_the_caller_is_found_from_credentials_alone(bedrock: Control) -> None:
    [caller] = find_accounts((), 1)
    assert (caller.account_id, find_regions(caller, ())) == (ACCOUNT, [REGION])


def test_each_role_is_one_more_account(bedrock: Control) -> None:
    accounts = find_accounts([ROLE, ROLE], 1)
    assert [account.account_id for account in accounts] == [ACCOUNT, "444455556666"]


def test_calls_of_a_role_are_its_account_s(bedrock: Control) -> None:
    arn = bedrock.submit("444455556666", REGION, submit_time=NOW)
    _, role = find_accounts([ROLE], 1)
    [summary] = role.client(REGION).list_async_invokes()["asyncInvokeSummaries"]
    assert summary["invocationArn"] == arn


def test_an_api_key_in_the_environment_is_not_sent_for_a_role(
    bedrock: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would land the key's account under the role's."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "key-of-another-account")
    arn = bedrock.submit("444455556666", REGION, submit_time=NOW)
    _, role = find_accounts([ROLE], 1)
    [summary] = role.client(REGION).list_async_invokes()["asyncInvokeSummaries"]
    assert summary["invocationArn"] == arn


def test_an_api_key_alone_is_enough_for_the_caller_and_for_no_role(
    bedrock: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key")
    [caller] = find_accounts((), 1)
    assert caller.role_arn is None
    with pytest.raises(ScopeError, match="No AWS credentials"):
        find_accounts([ROLE], 1)


def test_without_credentials_the_remedy_is_told(
    bedrock: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(ScopeError, match="aws sso login"):
        find_accounts((), 1)


def test_a_role_that_is_refused_is_named_with_the_remedy(bedrock: Control) -> None:
    bedrock.refuse_role(ROLE)
    _, role = find_accounts([ROLE], 1)
    with pytest.raises(ScopeError, match=rf"^Cannot assume {ROLE}: .*sts:AssumeRole on it\.$"):
        role.client(REGION).list_async_invokes()


def test_a_role_that_leads_elsewhere_is_refused(bedrock: Control) -> None:
    bedrock.misdirect_role(ROLE, "777788889999")
    _, role = find_accounts([ROLE], 1)
    with pytest.raises(ScopeError, match="led to another account"):
        role.client(REGION).list_async_invokes()


def test_what_is_not_a_role_is_refused(bedrock: Control) -> None:
    with pytest.raises(OptionError, match="Not a role's ARN: 'reader'"):
        find_accounts(["reader"], 1)


def test_an_unknown_region_is_refused_with_the_nearest(bedrock: Control) -> None:
    [caller] = find_accounts((), 1)
    with pytest.raises(OptionError, match=r"Unknown region 'eu-west-l': did you mean eu-west-\d\?"):
        find_regions(caller, ["us-east-1", "eu-west-l"])


def test_all_regions_are_those_of_bedrock_in_the_partition(bedrock: Control) -> None:
    [caller] = find_accounts((), 1)
    regions = find_regions(caller, ["all"])
    assert {"us-east-1", "us-west-2", "eu-west-1"} <= set(regions)
    assert not [region for region in regions if region.startswith(("cn-", "us-gov-"))]


def test_without_a_region_the_remedy_is_told(
    bedrock: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    [caller] = find_accounts((), 1)
    with pytest.raises(OptionError, match="--region"):
        find_regions(caller, ())


def test_aws_region_alone_is_enough(bedrock: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert os.environ["AWS_REGION"] == REGION
    [caller] = find_accounts((), 1)
    assert find_regions(caller, ()) == [REGION]
