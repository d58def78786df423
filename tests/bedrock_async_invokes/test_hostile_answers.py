"""Whatever STS and AWS Organizations answer: it fails the scopes it is about, and is not quoted.

More inputs: `pytest tests/bedrock_async_invokes/test_hostile_answers.py --hypothesis-profile soak`.
"""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from bedrock_async_invokes import Extraction, RunContext
from bedrock_async_invokes.accounts import Account
from bedrock_async_invokes.columns import ScopeReport
from bedrock_async_invokes.errors import ScopeError
from bedrock_async_invokes.options import LoadOptions
from bedrock_async_invokes.roles import RoleProvider
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.organizations import Organization
from tests.token_service import ACCESS_KEY, SECRET_KEY, TOKEN, TokenService, assumed

MEMBER = "444455556666"
ROLE = f"arn:aws:iam::{MEMBER}:role/reader"
GOOD = assumed(MEMBER)
CUT = GOOD[: GOOD.index(TOKEN) + 20]
ERROR = """\
<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>AccessDenied</Code><Message>No customer-4711 here</Message></Error></ErrorResponse>"""
UNREADABLE = "STS gave an answer that cannot be read"
ANSWERS = {
    "cut": (200, CUT, UNREADABLE),
    "cut, refused": (403, CUT, UNREADABLE),
    "HTML": (200, "<html><body>Welcome to the proxy</body></html>", UNREADABLE),
    "HTML that is no XML": (200, "<html><br>Welcome</html>", UNREADABLE),
    "HTML, refused": (403, "<html><body>Forbidden</body></html>", "Cannot assume"),
    "text": (200, f"Welcome {SECRET_KEY}", UNREADABLE),
    "nothing": (200, "", UNREADABLE),
    "JSON": (200, json.dumps({"SecretAccessKey": SECRET_KEY}), UNREADABLE),
    "elsewhere": (302, "", "Cannot assume"),
    "elsewhere with a body": (302, GOOD, "Cannot assume"),
    "no credentials": (200, GOOD.replace("Credentials>", "Other>"), UNREADABLE),
    "no expiration": (200, GOOD.replace("Expiration>", "Other>"), UNREADABLE),
    "bad expiration": (200, assumed(MEMBER, "tomorrow"), UNREADABLE),
    "no user": (200, GOOD.replace("AssumedRoleUser>", "Other>"), UNREADABLE),
    "no key": (200, GOOD.replace("SecretAccessKey>", "Other>"), UNREADABLE),
    "expired": (200, assumed(MEMBER, "2020-01-01T00:00:00Z"), "Set the clock right"),
    "another account": (200, assumed(ACCOUNT), rf"led to another account \({ACCOUNT}\)"),
    "no account": (200, assumed(SECRET_KEY), r"led to another account\. Nothing was read"),
}


@pytest.fixture
def sts(bedrock: Control, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenService]:
    monkeypatch.setattr("bedrock_async_invokes.accounts.ATTEMPTS_PER_CALL", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    bedrock.populate(ACCOUNT, REGION, 5, NOW - timedelta(days=1), NOW)
    with TokenService() as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", service.url)
        yield service


def read(**options: Any) -> list[ScopeReport]:
    with Extraction(RunContext(LoadOptions(**options))) as extraction:
        list(extraction.batches({}))
    return extraction.reports


@pytest.mark.parametrize(("status", "body", "reason"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_of_sts_fails_the_scopes_of_its_role_alone(
    sts: TokenService, status: int, body: str, reason: str
) -> None:
    sts.status, sts.body = status, body.encode()
    own, role = read(role_arns=[ROLE])
    assert (own.account_id, own.outcome, own.rows_new) == (ACCOUNT, "ok", 5)
    assert (role.account_id, role.outcome) == (MEMBER, "failed")
    assert_one_line(role.error, ROLE, reason)


def assert_one_line(error: str | None, *parts: str) -> None:
    """An error that has these parts, and no secret."""
    assert error
    assert error.isprintable()
    for part in parts:
        assert re.search(part, error), error
    assert not any(secret in error for secret in (SECRET_KEY, TOKEN[:20], ACCESS_KEY))


def test_what_sts_says_of_an_external_id_is_masked(sts: TokenService) -> None:
    sts.status, sts.body = 403, ERROR.encode()
    [_, role] = read(role_arns=[ROLE], external_id="customer-4711")
    assert_one_line(role.error, r"Cannot assume .*: AccessDenied: No \(masked\) here\.")


@st.composite
def mutated(draw: st.DrawFn, text: str) -> bytes:
    """A text with parts left out, doubled, or replaced by any bytes."""
    body = text.encode()
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(body))] * 2)))
        middle = draw(st.one_of(st.binary(max_size=30), st.just(body[start:end] * 2)))
        body = body[:start] + middle + body[end:]
    return body


STATUSES = st.sampled_from([200, 200, 200, 302, 400, 403, 500])


@pytest.fixture(scope="module")
def any_sts() -> Iterator[TokenService]:
    with TokenService() as service:
        yield service


@given(body=mutated(GOOD), status=STATUSES)
def test_any_answer_of_sts_is_credentials_or_one_line(
    any_sts: TokenService, body: bytes, status: int
) -> None:
    any_sts.status, any_sts.body = status, body
    client = boto3.client(
        "sts",
        region_name=REGION,
        endpoint_url=any_sts.url,
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with closing(client):
        try:
            found = RoleProvider(client, ROLE, LoadOptions()).assume()
        except ScopeError as error:
            assert_one_line(str(error), ROLE)
        else:
            assert all(type(value) is str for value in found.values())


@pytest.mark.parametrize(
    "body",
    [
        "<html>Welcome</html>",
        "",
        "[]",
        '{"Accounts": 1}',
        '{"Accounts": [{"State": "ACTIVE"}]}',
        '{"Accounts": [{"Id": "../../etc", "State": "ACTIVE"}]}',
        '{"Accounts": [{"Id": 123456789012, "State": "ACTIVE"}]}',
    ],
)
def test_an_answer_of_organizations_leaves_the_callers_own_account_alone(
    bedrock: Control, organization: Organization, body: str
) -> None:
    bedrock.populate(ACCOUNT, REGION, 5, NOW - timedelta(days=1), NOW)
    organization.body = body.encode()
    own, unlisted = read(organization_role="reader")
    assert (own.account_id, own.outcome, own.rows_new) == (ACCOUNT, "ok", 5)
    assert (unlisted.account_id, unlisted.outcome) == ("organization", "failed")
    assert_one_line(
        unlisted.error, "Cannot list the organization's accounts: AWS Organizations gave an answer"
    )


@pytest.fixture(scope="module")
def any_organization() -> Iterator[Organization]:
    with Organization() as service:
        yield service


LISTED = json.dumps({"Accounts": [{"Id": MEMBER, "State": "ACTIVE", "Status": "ACTIVE"}]})


@given(body=mutated(LISTED), status=STATUSES)
def test_any_answer_of_organizations_is_a_list_of_accounts_or_one_line(
    any_organization: Organization, body: bytes, status: int
) -> None:
    any_organization.body, any_organization.status = body, status
    session = boto3.Session("AKIAIOSFODNN7EXAMPLE", "x", region_name=REGION)
    account = Account(lambda: session, session._session, 1, REGION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", any_organization.url)
        patch.setattr("bedrock_async_invokes.accounts.ATTEMPTS_PER_CALL", 1)
        try:
            found = account.active_members()
        except ScopeError as error:
            assert_one_line(str(error), "Cannot list the organization's accounts")
        else:
            assert all(len(each) == 12 and each.isdecimal() for each in found)
