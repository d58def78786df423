"""Roles: chains, external ids, session names, sessions that expire, parts of AWS."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bedrock_async_invokes.accounts import find_accounts
from bedrock_async_invokes.errors import OptionError, ScopeError
from bedrock_async_invokes.options import LoadOptions
from bedrock_async_invokes.scopes import find_regions
from bedrock_emulator import Control, Emulator
from tests.conftest import ACCOUNT, NOW, REGION
from tests.organizations import Organization

HUB = "arn:aws:iam::222233334444:role/hub"
SPOKE = "arn:aws:iam::444455556666:role/reader"
EXTERNAL_ID = "external/id:1"


def listed(account: Any, region: str = REGION) -> list[str]:
    """What an account's client lists."""
    page = account.client(region).list_async_invokes()
    return [summary["invocationArn"] for summary in page["asyncInvokeSummaries"]]


def sessions(bedrock: Control) -> list[str]:
    """Who was assumed, under which name, in order."""
    return [session["arn"].partition("assumed-role/")[2] for session in bedrock.sessions()]


def test_a_hub_is_assumed_first_and_assumes_the_others(bedrock: Control) -> None:
    bedrock.trust(HUB, principal=f"arn:aws:iam::{ACCOUNT}:user/emulator")
    bedrock.trust(SPOKE, principal=HUB)
    arn = bedrock.submit("444455556666", REGION, submit_time=NOW)
    caller, spoke = find_accounts(LoadOptions(role_arns=[SPOKE], hub_role_arn=HUB))
    assert (caller.account_id, spoke.account_id) == (ACCOUNT, "444455556666")
    assert listed(spoke) == [arn]
    assert sessions(bedrock) == ["hub/bedrock-async-etl", "reader/bedrock-async-etl"]


def test_what_one_roles_session_is_told_to_do_no_other_does(bedrock: Control) -> None:
    """What botocore registers for each is copied, not shared."""
    _, hub, spoke = find_accounts(LoadOptions(role_arns=[HUB, SPOKE]))
    told: list[str] = []
    hub.session.events.register(
        "provide-client-params.bedrock-runtime.ListAsyncInvokes",
        lambda **_: told.append("hub"),
    )
    listed(spoke)
    assert told == []
    listed(hub)
    assert told == ["hub"]


def test_without_the_hub_the_spoke_is_refused(bedrock: Control) -> None:
    bedrock.trust(SPOKE, principal=HUB)
    _, spoke = find_accounts(LoadOptions(role_arns=[SPOKE]))
    with pytest.raises(ScopeError, match=f"Cannot assume {SPOKE}: AccessDenied: "):
        listed(spoke)


def test_a_hub_that_is_refused_names_itself(bedrock: Control) -> None:
    bedrock.refuse_role(HUB)
    _, spoke = find_accounts(LoadOptions(role_arns=[SPOKE], hub_role_arn=HUB))
    with pytest.raises(ScopeError, match=f"^Cannot assume {HUB}: "):
        listed(spoke)


def test_a_hub_that_leads_elsewhere_assumes_nothing(bedrock: Control) -> None:
    bedrock.misdirect_role(HUB, "999988887777")
    _, spoke = find_accounts(LoadOptions(role_arns=[SPOKE], hub_role_arn=HUB))
    with pytest.raises(ScopeError, match=f"^{HUB} led to another account"):
        listed(spoke)


def test_the_hub_is_read_itself_where_it_is_named(bedrock: Control) -> None:
    """It need not trust itself for that."""
    bedrock.trust(HUB, principal=f"arn:aws:iam::{ACCOUNT}:user/emulator")
    arn = bedrock.submit("222233334444", REGION, submit_time=NOW)
    accounts = find_accounts(LoadOptions(role_arns=[SPOKE, HUB], hub_role_arn=HUB))
    assert [each.role_arn for each in accounts] == [None, HUB, SPOKE]
    assert listed(accounts[1]) == [arn]


def test_external_id_and_session_name_go_with_every_role(bedrock: Control) -> None:
    for role in (HUB, SPOKE):
        bedrock.trust(role, external_id=EXTERNAL_ID)
    _, spoke = find_accounts(
        LoadOptions(
            role_arns=[SPOKE],
            hub_role_arn=HUB,
            external_id=EXTERNAL_ID,
            role_session_name="audit@example",
        )
    )
    assert listed(spoke) == []
    assert sessions(bedrock) == ["hub/audit@example", "reader/audit@example"]


@pytest.mark.parametrize("external_id", [None, "another"])
def test_a_wrong_external_id_is_refused_and_not_told(
    bedrock: Control, external_id: str | None
) -> None:
    bedrock.trust(SPOKE, external_id=EXTERNAL_ID)
    options = LoadOptions(role_arns=[SPOKE], external_id=external_id)
    _, spoke = find_accounts(options)
    with pytest.raises(ScopeError, match=f"Cannot assume {SPOKE}") as caught:
        listed(spoke)
    assert "another" not in f"{caught.value} {options!r}"


@pytest.mark.parametrize("given", [{"role_session_name": "a b"}, {"hub_role_arn": "hub"}])
def test_what_assume_role_would_not_take_is_refused_before_any_call(given: Any) -> None:
    with pytest.raises(OptionError, match=r"'a b'|Not a role's ARN: 'hub'"):
        LoadOptions(**given)


def test_what_is_no_external_id_is_refused_without_being_told() -> None:
    with pytest.raises(OptionError, match="The external id is not valid") as caught:
        LoadOptions(external_id="no id")
    assert "no id" not in str(caught.value)


def test_the_hub_lists_the_organization_and_is_read_with_its_own_credentials(
    organization: Organization, bedrock: Control
) -> None:
    for account in (ACCOUNT, "222233334444", "444455556666"):
        organization.has(account)
    bedrock.trust(SPOKE, principal=HUB)
    accounts = find_accounts(LoadOptions(organization_role="reader", hub_role_arn=HUB))
    assert [each.role_arn for each in accounts] == [None, HUB, SPOKE]
    assert [listed(each) for each in accounts] == [[], [], []]
    assert sessions(bedrock) == ["hub/bedrock-async-etl", "reader/bedrock-async-etl"]


@pytest.mark.parametrize("hub", [None, HUB])
def test_a_session_that_expires_is_renewed_at_once(bedrock: Control, hub: str | None) -> None:
    """Also where this machine's clock says that it is good: the hub's and the role's."""
    bedrock.limit_sessions(timedelta(minutes=15))
    _, spoke = find_accounts(LoadOptions(role_arns=[SPOKE], hub_role_arn=hub))
    client = spoke.client(REGION)
    client.list_async_invokes()
    before = len(bedrock.sessions())
    bedrock.advance(timedelta(minutes=16))
    client.list_async_invokes()
    assert len(bedrock.sessions()) == 2 * before


def test_a_session_is_renewed_before_it_expires(bedrock: Control) -> None:
    _, spoke = find_accounts(LoadOptions(role_arns=[SPOKE]))
    credentials = spoke.session.get_credentials()
    first = credentials.get_frozen_credentials()
    assert credentials.get_frozen_credentials() == first
    credentials._advisory_refresh_timeout = 3_700
    assert credentials.get_frozen_credentials() != first


def test_a_session_that_cannot_be_renewed_is_told_as_refused(bedrock: Control) -> None:
    bedrock.limit_sessions(timedelta(minutes=15))
    _, spoke = find_accounts(LoadOptions(role_arns=[SPOKE]))
    client = spoke.client(REGION)
    client.list_async_invokes()
    bedrock.advance(timedelta(minutes=16))
    bedrock.refuse_role(SPOKE)
    with pytest.raises(ScopeError, match=f"Cannot assume {SPOKE}: AccessDenied: "):
        client.list_async_invokes()


def test_credentials_that_are_never_good_are_asked_for_twice_and_no_more(
    bedrock: Control,
) -> None:
    bedrock.limit_sessions(timedelta(seconds=-1))
    _, spoke = find_accounts(LoadOptions(role_arns=[SPOKE]))
    with pytest.raises(ClientError, match="ExpiredTokenException"):
        listed(spoke)
    assert len(bedrock.sessions()) == 2


@pytest.fixture
def real_sts(monkeypatch: pytest.MonkeyPatch, bedrock: Control) -> Iterator[None]:
    """STS as it is, of which nothing is asked: which host would be, is what a client knows."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_STS")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    return iter([None])


def role_in(partition: str) -> str:
    return SPOKE.replace("aws", partition, 1)


@pytest.mark.parametrize(
    ("default", "regions", "role", "host"),
    [
        ("eu-west-1", [], None, "sts.eu-west-1.amazonaws.com"),
        ("us-east-1", ["eu-west-1"], "aws", "sts.us-east-1.amazonaws.com"),
        (None, ["eu-west-1"], "aws", "sts.eu-west-1.amazonaws.com"),
        (None, ["all"], None, "sts.us-east-1.amazonaws.com"),
        (None, ["all"], "aws-us-gov", "sts.us-gov-west-1.amazonaws.com"),
        ("us-gov-east-1", [], None, "sts.us-gov-east-1.amazonaws.com"),
        ("us-east-1", ["us-gov-east-1"], "aws-us-gov", "sts.us-gov-east-1.amazonaws.com"),
        ("us-east-1", ["us-gov-east-1"], None, "sts.us-gov-east-1.amazonaws.com"),
        (None, ["all"], "aws-cn", "sts.cn-northwest-1.amazonaws.com.cn"),
        ("cn-north-1", [], "aws-cn", "sts.cn-north-1.amazonaws.com.cn"),
    ],
)
@pytest.mark.parametrize("endpoints", ["legacy", None])
def test_sts_is_asked_in_a_region_of_the_right_part_of_aws(
    real_sts: None,
    monkeypatch: pytest.MonkeyPatch,
    default: str | None,
    regions: list[str],
    role: str | None,
    host: str,
    endpoints: str | None,
) -> None:
    """Never the global endpoint, whatever the environment says."""
    if default:
        monkeypatch.setenv("AWS_REGION", default)
    if endpoints:
        monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", endpoints)
    caller, *roles = find_accounts(
        LoadOptions(role_arns=[role_in(role)] if role else [], regions=regions)
    )
    assert {each.sts().meta.endpoint_url for each in (caller, *roles)} == {f"https://{host}"}


def test_an_endpoint_of_sts_is_honoured(
    real_sts: None, bedrock: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", bedrock.url)
    for account in find_accounts(LoadOptions(role_arns=[role_in("aws-cn")])):
        assert account.sts().meta.endpoint_url == bedrock.url


@pytest.mark.parametrize("partition", ["aws-us-gov", "aws-cn"])
def test_roles_of_two_parts_of_aws_are_refused(bedrock: Control, partition: str) -> None:
    with pytest.raises(OptionError, match=rf"several partitions of AWS \(aws, {partition}\)"):
        find_accounts(LoadOptions(role_arns=[SPOKE, role_in(partition)]))
    with pytest.raises(OptionError, match=rf"several partitions of AWS \(aws, {partition}\)"):
        find_accounts(LoadOptions(role_arns=[role_in(partition)], hub_role_arn=HUB))


def test_a_region_of_another_part_of_aws_is_refused(bedrock: Control) -> None:
    _, role = find_accounts(LoadOptions(role_arns=[role_in("aws-us-gov")]))
    told = f"^us-east-1 is in the partition aws of AWS, but {role.role_arn} is in aws-us-gov"
    with pytest.raises(OptionError, match=told):
        find_regions(role, [])
    assert find_regions(role, ["us-gov-east-1"]) == ["us-gov-east-1"]
    assert find_regions(role, ["all"]) == ["us-gov-east-1", "us-gov-west-1"]


def test_a_part_of_aws_that_nobody_knows_is_refused(real_sts: None) -> None:
    with pytest.raises(OptionError, match="Unknown partition of AWS: aws-moon"):
        find_accounts(LoadOptions(role_arns=[role_in("aws-moon")]))


@pytest.mark.parametrize(
    ("partition", "region"), [("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1")]
)
def test_a_role_of_another_part_of_aws_is_read(
    bedrock: Control, monkeypatch: pytest.MonkeyPatch, partition: str, region: str
) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    arn = bedrock.submit("444455556666", region, submit_time=NOW)
    _, role = find_accounts(LoadOptions(role_arns=[role_in(partition)]))
    assert (role.partition, listed(role, region)) == (partition, [arn])
    assert arn.startswith(f"arn:{partition}:bedrock:{region}:444455556666:")


@pytest.fixture
def others_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[Control]:
    """A Bedrock where the environment's API key is of another account than the access key."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with Emulator(NOW, bearer_account="999988887777") as emulator:
        for name, value in emulator.environment(ACCOUNT, REGION).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key")
        for account in (ACCOUNT, "444455556666", "999988887777"):
            emulator.control.submit(account, REGION, submit_time=NOW)
        yield emulator.control


@pytest.mark.parametrize("preference", [None, "httpBearerAuth"])
def test_an_api_key_is_sent_neither_for_a_role_nor_where_there_are_keys(
    others_key: Control, monkeypatch: pytest.MonkeyPatch, preference: str | None
) -> None:
    if preference:
        monkeypatch.setenv("AWS_AUTH_SCHEME_PREFERENCE", preference)
    accounts = find_accounts(LoadOptions(role_arns=[SPOKE], hub_role_arn=HUB))
    owners = [listed(account)[0].split(":")[4] for account in accounts]
    assert owners == [account.account_id for account in accounts] == [ACCOUNT, "444455556666"]


class SentError(Exception):
    """A request got as far as the connection."""


def test_an_api_key_is_sent_where_there_is_nothing_else(
    others_key: Control, no_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To HTTPS, since newer botocores send it nowhere else."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://127.0.0.1:1")
    [caller] = find_accounts(LoadOptions())
    client = caller.client(REGION)
    client.meta.events.register_first("before-send.bedrock-runtime", stop)
    with pytest.raises(SentError, match=r"^Bearer bedrock-api-key$"):
        client.list_async_invokes()


def stop(request: Any, **_: Any) -> None:
    raise SentError(request.headers["Authorization"].decode())


def test_a_hub_needs_keys(others_key: Control, no_keys: None) -> None:
    with pytest.raises(ScopeError, match="No AWS credentials found"):
        find_accounts(LoadOptions(hub_role_arn=HUB))


@pytest.mark.usefixtures("bedrock", "no_keys")
def test_a_profile_may_be_a_chain_of_its_own(
    bedrock: Control, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`source_profile`, `external_id` and `role_session_name` are boto3's own."""
    config = tmp_path / "config"
    config.write_text(
        f"""
        [profile base]
        aws_access_key_id = AKIA{ACCOUNT}EMUL
        aws_secret_access_key = emulator
        [profile hub]
        source_profile = base
        role_arn = {HUB}
        external_id = {EXTERNAL_ID}
        role_session_name = from-a-profile
        """.replace("        ", "")
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "hub")
    bedrock.trust(HUB, external_id=EXTERNAL_ID)
    bedrock.trust(SPOKE, principal=HUB)
    accounts = find_accounts(LoadOptions(role_arns=[SPOKE]))
    assert [account.account_id for account in accounts] == ["222233334444", "444455556666"]
    assert [listed(account) for account in accounts] == [[], []]
    assert sessions(bedrock) == ["hub/from-a-profile", "reader/bedrock-async-etl"]
