"""The accounts of an organization: which of them are read, and with whose credentials."""

from datetime import timedelta
from pathlib import Path

import dlt
import pytest

from bedrock_async_invokes import Extraction, RunContext, bedrock_async_invokes
from bedrock_async_invokes.accounts import find_accounts
from bedrock_async_invokes.errors import OptionError, ScopeError
from bedrock_async_invokes.options import LoadOptions
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import query
from tests.organizations import Organization

MEMBER, OTHER, SUSPENDED = "222233334444", "444455556666", "777788889999"


def roles_found(name: str = "reader", role_arns: tuple[str, ...] = ()) -> list[str | None]:
    return [
        account.role_arn
        for account in find_accounts(LoadOptions(role_arns=list(role_arns), organization_role=name))
    ]


def read_organization() -> None:
    """Read what stands for an organization's accounts where they cannot be listed."""
    find_accounts(LoadOptions(organization_role="reader"))[-1].client(REGION)


def role_in(account: str, name: str = "reader", partition: str = "aws") -> str:
    return f"arn:{partition}:iam::{account}:role/{name}"


def test_a_load_reads_the_active_accounts_of_the_organization_and_no_others(
    bedrock: Control, organization: Organization, database: Path
) -> None:
    """The role is refused in the caller's account, which is read all the same, and in one more."""
    for account in (ACCOUNT, MEMBER, OTHER, SUSPENDED):
        bedrock.populate(account, REGION, 300, NOW - timedelta(days=3), NOW)
        organization.has(account, "SUSPENDED" if account == SUSPENDED else "ACTIVE")
    for account in (ACCOUNT, SUSPENDED):
        bedrock.refuse_role(role_in(account))
    destination = dlt.destinations.duckdb(str(database))
    pipeline = dlt.pipeline("plain", destination=destination, dataset_name="bedrock")
    pipeline.run(bedrock_async_invokes(organization_role="reader"))
    read = {ACCOUNT, MEMBER, OTHER}
    runs = "select account_id, region, outcome from bedrock.extract_runs"
    assert sorted(query(database, runs)) == [(account, REGION, "ok") for account in sorted(read)]
    assert {
        arn for (arn,) in query(database, "select invocation_arn from bedrock.async_invokes")
    } == {row["invocationArn"] for account in read for row in bedrock.listing(account, REGION)}


def test_all_pages_are_read(organization: Organization) -> None:
    for account in (MEMBER, ACCOUNT, OTHER, SUSPENDED, "999900001111"):
        organization.has(account)
    members = [role_in(each) for each in (MEMBER, OTHER, SUSPENDED, "999900001111")]
    assert roles_found() == [None, *members]
    assert organization.tokens == [None, "2", "4"]


def test_an_account_is_active_by_its_state_and_by_its_status_where_it_has_none(
    organization: Organization,
) -> None:
    organization.accounts = [
        {"Id": "100000000001", "State": "ACTIVE", "Status": "SUSPENDED"},
        {"Id": "100000000002", "State": "CLOSED", "Status": "ACTIVE"},
        {"Id": "100000000003", "State": "PENDING_ACTIVATION"},
        {"Id": "100000000004", "Status": "ACTIVE"},
        {"Id": "100000000005", "Status": "PENDING_CLOSURE"},
    ]
    assert roles_found() == [None, role_in("100000000001"), role_in("100000000004")]


def test_an_account_without_any_state_is_not_left_out_silently(organization: Organization) -> None:
    organization.accounts = [{"Id": MEMBER}]
    with pytest.raises(ScopeError, match=rf"state of {MEMBER}\. .* --upgrade boto3"):
        read_organization()


def test_a_role_s_own_arn_wins_in_its_account(organization: Organization) -> None:
    for account in (ACCOUNT, MEMBER, OTHER):
        organization.has(account)
    own = role_in(MEMBER, "mine")
    assert roles_found(role_arns=(own,)) == [None, own, role_in(OTHER)]


def test_a_role_s_own_arn_wins_in_the_caller_s_account(
    bedrock: Control, organization: Organization
) -> None:
    for account in (ACCOUNT, MEMBER):
        organization.has(account)
    bedrock.refuse_role(mine := role_in(ACCOUNT, "mine"))
    with Extraction(
        RunContext(LoadOptions(role_arns=[mine], organization_role="reader"))
    ) as extraction:
        list(extraction.batches({}))
    assert [(report.account_id, report.outcome) for report in extraction.reports] == [
        (ACCOUNT, "failed"),
        (MEMBER, "ok"),
    ]


def test_a_role_can_have_a_path(organization: Organization) -> None:
    organization.has(MEMBER)
    assert roles_found("audit/bedrock/reader") == [None, role_in(MEMBER, "audit/bedrock/reader")]


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-north-1", "aws-cn"),
        ("eusc-de-east-1", "aws-eusc"),
        (None, "aws"),
    ],
)
def test_roles_are_in_the_partition_of_the_caller(
    organization: Organization,
    monkeypatch: pytest.MonkeyPatch,
    region: str | None,
    partition: str,
) -> None:
    organization.has(MEMBER)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, region) if region else monkeypatch.delenv(name)
    assert roles_found() == [None, role_in(MEMBER, partition=partition)]


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("AccessDeniedException", "management account or from a delegated administrator"),
        ("AWSOrganizationsNotInUseException", "Name each role by its ARN instead"),
        ("UnrecognizedClientException", "UnrecognizedClientException: No. Check the credentials"),
    ],
)
def test_an_organization_that_cannot_be_listed_is_told_in_one_line(
    organization: Organization, code: str, remedy: str
) -> None:
    organization.error = (code, "No.")
    with pytest.raises(ScopeError, match=f"^Cannot list the organization's accounts: .*{remedy}"):
        read_organization()


def test_an_organization_that_does_not_answer_is_told_in_one_line(
    bedrock: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", "http://127.0.0.1:9")
    monkeypatch.setattr("bedrock_async_invokes.accounts.ATTEMPTS_PER_CALL", 1)
    with pytest.raises(ScopeError, match="accounts: EndpointConnectionError: "):
        read_organization()


@pytest.mark.parametrize("name", ["", "a reader", "/reader", "audit//reader", role_in(MEMBER)])
def test_what_is_not_a_role_s_name_is_refused_before_any_call(
    organization: Organization, name: str
) -> None:
    with pytest.raises(OptionError, match=f"Not a role's name: '{name}'"):
        Extraction(RunContext(LoadOptions(organization_role=name)))
    assert organization.tokens == []


def test_a_caller_that_is_unknown_is_not_taken_for_a_member(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its account would be read twice."""
    organization.has(ACCOUNT)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    with pytest.raises(ScopeError, match="The caller's account is unknown"):
        read_organization()
