"""Scopes: accounts and regions that are read, shards of them, and rows that contradict them."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_async_invokes import Extraction, RunContext
from bedrock_async_invokes.accounts import UNKNOWN_ACCOUNT, find_accounts
from bedrock_async_invokes.errors import OptionError, ScopeError
from bedrock_async_invokes.options import LoadOptions, parse_shard
from bedrock_async_invokes.pages import page_of
from bedrock_async_invokes.records import to_table
from bedrock_async_invokes.scopes import LONGEST_ARN, Quarantine, Scope, find_regions, separate
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION

ROLE = "arn:aws:iam::444455556666:role/reader"


def test_the_caller_is_found_from_credentials_alone(bedrock: Control) -> None:
    [caller] = find_accounts(LoadOptions())
    assert (caller.account_id, find_regions(caller, [])) == (ACCOUNT, [REGION])


def test_each_role_is_one_more_account(bedrock: Control) -> None:
    accounts = find_accounts(LoadOptions(role_arns=[ROLE, ROLE]))
    assert [account.account_id for account in accounts] == [ACCOUNT, "444455556666"]


def test_calls_of_a_role_are_its_account_s(bedrock: Control) -> None:
    arn = bedrock.submit("444455556666", REGION, submit_time=NOW)
    _, role = find_accounts(LoadOptions(role_arns=[ROLE]))
    [summary] = role.client(REGION).list_async_invokes()["asyncInvokeSummaries"]
    assert summary["invocationArn"] == arn


def test_an_api_key_in_the_environment_is_not_sent_for_a_role(
    bedrock: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would land the key's account under the role's."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "key-of-another-account")
    arn = bedrock.submit("444455556666", REGION, submit_time=NOW)
    _, role = find_accounts(LoadOptions(role_arns=[ROLE]))
    [summary] = role.client(REGION).list_async_invokes()["asyncInvokeSummaries"]
    assert summary["invocationArn"] == arn


@pytest.mark.usefixtures("bedrock", "no_keys")
def test_an_api_key_alone_is_enough_for_the_caller_and_for_no_role(
    bedrock: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key")
    [caller] = find_accounts(LoadOptions())
    assert caller.role_arn is None
    with pytest.raises(ScopeError, match="No AWS credentials"):
        find_accounts(LoadOptions(role_arns=[ROLE]))


@pytest.mark.usefixtures("bedrock", "no_keys")
def test_without_credentials_the_remedy_is_told() -> None:
    with pytest.raises(ScopeError, match="aws sso login"):
        find_accounts(LoadOptions())


@pytest.mark.usefixtures("bedrock", "no_keys")
def test_a_token_that_is_not_there_is_named(
    bedrock: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nope")
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    with pytest.raises(
        ScopeError, match=r"^The AWS credentials cannot be used: /nope: No such fil"
    ):
        find_accounts(LoadOptions())


@pytest.mark.usefixtures("bedrock", "no_keys")
@pytest.mark.parametrize("session", ["sso_session = company", ""])
def test_an_expired_sso_session_says_how_to_log_in(
    bedrock: Control, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, session: str
) -> None:
    start_url = "https://company.awsapps.com/start"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "config").write_text(f"""\
[default]
{session}
sso_account_id = {ACCOUNT}
sso_role_name = reader
sso_region = {REGION}
sso_start_url = {start_url}
[sso-session company]
sso_region = {REGION}
sso_start_url = {start_url}
""")
    key = hashlib.sha1((session.rpartition(" ")[2] or start_url).encode()).hexdigest()
    cached = tmp_path / ".aws/sso/cache" / f"{key}.json"
    cached.parent.mkdir(parents=True)
    expired = {"accessToken": "x", "expiresAt": "2020-01-01T00:00:00Z", "startUrl": start_url}
    cached.write_text(json.dumps(expired | {"region": REGION}))
    with pytest.raises(ScopeError, match=r"^The AWS credentials cannot be used: .*aws sso login"):
        find_accounts(LoadOptions())


def test_a_role_that_is_refused_is_named_with_the_remedy(bedrock: Control) -> None:
    bedrock.refuse_role(ROLE)
    _, role = find_accounts(LoadOptions(role_arns=[ROLE]))
    with pytest.raises(ScopeError, match=rf"^Cannot assume {ROLE}: .*sts:AssumeRole on it\.$"):
        role.client(REGION).list_async_invokes()


def test_a_role_that_leads_elsewhere_is_refused(bedrock: Control) -> None:
    bedrock.misdirect_role(ROLE, "777788889999")
    _, role = find_accounts(LoadOptions(role_arns=[ROLE]))
    with pytest.raises(ScopeError, match="led to another account"):
        role.client(REGION).list_async_invokes()


def test_what_is_not_a_role_is_refused(bedrock: Control) -> None:
    with pytest.raises(OptionError, match="Not a role's ARN: 'reader'"):
        find_accounts(LoadOptions(role_arns=["reader"]))


def test_an_unknown_region_is_refused_with_the_nearest(bedrock: Control) -> None:
    [caller] = find_accounts(LoadOptions())
    with pytest.raises(OptionError, match=r"Unknown region 'eu-west-l': did you mean eu-west-\d\?"):
        find_regions(caller, ["us-east-1", "eu-west-l"])


def test_all_regions_are_those_of_bedrock_in_the_partition(bedrock: Control) -> None:
    [caller] = find_accounts(LoadOptions())
    regions = find_regions(caller, ["all"])
    assert {"us-east-1", "us-west-2", "eu-west-1"} <= set(regions)
    assert not [region for region in regions if region.startswith(("cn-", "us-gov-"))]


def test_without_a_region_the_remedy_is_told(
    bedrock: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    [caller] = find_accounts(LoadOptions())
    with pytest.raises(OptionError, match="--region"):
        find_regions(caller, [])


def test_aws_region_alone_is_enough(bedrock: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert os.environ["AWS_REGION"] == REGION
    [caller] = find_accounts(LoadOptions())
    assert find_regions(caller, []) == [REGION]


scopes = st.builds(
    Scope,
    st.from_regex(r"[0-9]{12}", fullmatch=True),
    st.sampled_from(["us-east-1", "us-west-2", "eu-west-1", "us-gov-west-1"]),
)
REGIONS = ["eu-west-1", "us-east-1", "us-west-2"]


def shards_of(count: int) -> list[tuple[int, int]]:
    return [(index, count) for index in range(1, count + 1)]


@given(st.sets(scopes), st.integers(1, 12))
def test_the_shards_partition_any_set_of_scopes(found: set[Scope], count: int) -> None:
    taken = [scope for shard in shards_of(count) for scope in found if scope.is_in_shard(*shard)]
    assert sorted(taken, key=str) == sorted(found, key=str)


@given(st.sets(scopes), st.sets(scopes), st.integers(1, 12))
def test_a_scope_stays_in_its_shard_when_others_come_and_go(
    some: set[Scope], more: set[Scope], count: int
) -> None:
    for shard in shards_of(count):
        before = {scope for scope in some if scope.is_in_shard(*shard)}
        assert {scope for scope in some | more if scope.is_in_shard(*shard)} & some == before


def test_a_scope_is_in_the_same_shard_on_every_machine() -> None:
    assert {
        str(scope): next(shard for shard in shards_of(100) if scope.is_in_shard(*shard))
        for scope in (Scope(ACCOUNT, REGION), Scope("444455556666", "eu-west-1"))
    } == {"111122223333/us-east-1": (67, 100), "444455556666/eu-west-1": (27, 100)}


@given(st.integers(1, 999_999_999), st.data())
def test_a_shard_is_written_as_it_is_read(count: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(1, count))
    assert parse_shard(f"{index}/{count}") == (index, count)


@pytest.mark.parametrize(
    "text", ["", "2", "0/4", "5/4", "0/0", "-1/4", "1/4/2", "1 / 4", "1/4\n", "a/b", "1/²", "1/1e3"]
)
def test_what_is_not_a_shard_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(OptionError, match=r"Not a shard: .* I/N with I from 1 to N, such as 2/4"):
        LoadOptions(shard=text)


def test_the_shards_of_a_run_divide_its_scopes(bedrock: Control) -> None:
    read = [regions_read(f"{index}/3") for index in (1, 2, 3)]
    assert sorted(region for regions in read for region in regions) == REGIONS
    assert read == [
        [region for region in REGIONS if Scope(ACCOUNT, region).is_in_shard(*shard)]
        for shard in shards_of(3)
    ]


def regions_read(shard: str) -> list[str]:
    with Extraction(RunContext(LoadOptions(regions=REGIONS, shard=shard))) as extraction:
        list(extraction.batches({}))
    return [report.region for report in extraction.reports]


def test_a_shard_without_scopes_ends_well(bedrock: Control) -> None:
    shard = next(shard for shard in shards_of(2) if not Scope(ACCOUNT, REGION).is_in_shard(*shard))
    state = {"444455556666/us-east-1": {"submitted_through": 1}}
    with Extraction(RunContext(LoadOptions(shard="{}/{}".format(*shard)))) as extraction:
        assert list(extraction.batches(state)) == []
    assert (extraction.is_finished, extraction.reports) == (True, [])
    assert extraction.new_runs().num_rows == 0
    assert state == {"444455556666/us-east-1": {"submitted_through": 1}}


def test_a_caller_that_is_unknown_has_no_shard(
    bedrock: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be in another one than when it is known, and so read twice or never."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    with pytest.raises(ScopeError, match="The caller's account is unknown"):
        Extraction(RunContext(LoadOptions(shard="1/2")))
    Extraction(RunContext(LoadOptions())).close()


SCOPE = Scope(ACCOUNT, REGION)
OWN = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke/own"


def divide(*arns: str, scope: Scope = SCOPE) -> tuple[list[str], Quarantine]:
    summaries = [{"invocationArn": arn, "modelArn": "model"} for arn in arns]
    own, foreign = separate(to_table(page_of(summaries), NOW), scope)
    return own["invocation_arn"].to_pylist(), foreign


@pytest.mark.parametrize("arn", ["odd", f"arn:aws:bedrock:{REGION}::job/x", "arn:aws:bedrock"])
def test_an_arn_that_cannot_be_parsed_gets_account_and_region_of_its_scope(arn: str) -> None:
    summaries = [{"invocationArn": each, "modelArn": "model"} for each in (OWN, arn)]
    own, _ = separate(to_table(page_of(summaries), NOW), SCOPE)
    assert own["account_id"].to_pylist() == [ACCOUNT] * 2
    assert own["region"].to_pylist() == [REGION] * 2
    assert own["invocation_id"].to_pylist() == ["own", None]
    unknown, _ = separate(to_table(page_of(summaries), NOW), Scope(UNKNOWN_ACCOUNT, REGION))
    assert unknown["account_id"].to_pylist() == [ACCOUNT, None]


@pytest.mark.parametrize(
    "foreign",
    [
        f"arn:aws:bedrock:{REGION}:999988887777:async-invoke/x",
        f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:async-invoke/x",
        f"arn:aws:bedrock:{REGION}:999988887777:async-invoke/x/y:1",
        f"arn:aws:bedrock:EU-WEST-1:{ACCOUNT}:async-invoke/x",
        f"arn:aws-us-gov:other:us-gov-west-1:{ACCOUNT}:x",
    ],
)
def test_an_arn_of_another_account_or_region_is_kept_out(foreign: str) -> None:
    told = Quarantine(1, f"{foreign} is in the listing of {SCOPE}.")
    assert divide(OWN, foreign) == ([OWN], told)


@pytest.mark.parametrize("arn", ["no arn", "arn:aws:bedrock:::async-invoke/x"])
def test_an_arn_that_says_neither_contradicts_nothing(arn: str) -> None:
    assert divide(OWN, arn) == ([OWN, arn], Quarantine())


def test_any_account_may_be_that_of_an_unknown_one() -> None:
    other = f"arn:aws:bedrock:{REGION}:999988887777:async-invoke/x"
    assert divide(OWN, other, scope=Scope(UNKNOWN_ACCOUNT, REGION))[0] == [OWN, other]


def test_the_reason_is_one_short_line_and_the_first_one() -> None:
    first = f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:async-invoke/a\nb{'c' * 1_000}"
    second = f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:async-invoke/d"
    _, foreign = divide(OWN, first, second)
    shown = first.replace("\n", " ")[:LONGEST_ARN]
    assert foreign == Quarantine(2, f"{shown}… is in the listing of {SCOPE}.")
