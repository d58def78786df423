"""Shards: each scope is in exactly one, whatever else there is to read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_async_invokes import new_extraction
from bedrock_async_invokes.errors import OptionError, ScopeError
from bedrock_async_invokes.scopes import Scope
from bedrock_async_invokes.shards import Shard
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, REGION

scopes = st.builds(
    Scope,
    st.from_regex(r"[0-9]{12}", fullmatch=True),
    st.sampled_from(["us-east-1", "us-west-2", "eu-west-1", "us-gov-west-1"]),
)
REGIONS = ["eu-west-1", "us-east-1", "us-west-2"]


def shards_of(count: int) -> list[Shard]:
    return [Shard(index, count) for index in range(1, count + 1)]


@given(st.sets(scopes), st.integers(1, 12))
def test_the_shards_partition_any_set_of_scopes(found: set[Scope], count: int) -> None:
    taken = [scope for shard in shards_of(count) for scope in found if shard.takes(scope)]
    assert sorted(taken, key=str) == sorted(found, key=str)


@given(st.sets(scopes), st.sets(scopes), st.integers(1, 12))
def test_a_scope_stays_in_its_shard_when_others_come_and_go(
    some: set[Scope], more: set[Scope], count: int
) -> None:
    for shard in shards_of(count):
        before = {scope for scope in some if shard.takes(scope)}
        assert {scope for scope in some | more if shard.takes(scope)} & some == before


def test_a_scope_is_in_the_same_shard_on_every_machine() -> None:
    assert {
        str(scope): str(next(shard for shard in shards_of(100) if shard.takes(scope)))
        for scope in (Scope(ACCOUNT, REGION), Scope("444455556666", "eu-west-1"))
    } == {"111122223333/us-east-1": "67/100", "444455556666/eu-west-1": "27/100"}


@given(st.integers(1, 999_999_999), st.data())
def test_a_shard_is_written_as_it_is_read(count: int, data: st.DataObject) -> None:
    shard = Shard(data.draw(st.integers(1, count)), count)
    assert Shard.parse(str(shard)) == shard


@pytest.mark.parametrize(
    "text", ["", "2", "0/4", "5/4", "0/0", "-1/4", "1/4/2", "1 / 4", "1/4\n", "a/b", "1/²", "1/1e3"]
)
def test_what_is_not_a_shard_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(OptionError, match=r"Not a shard: .* I/N with I from 1 to N, such as 2/4"):
        new_extraction(shard=text)


def test_the_shards_of_a_run_divide_its_scopes(bedrock: Control) -> None:
    read = [regions_read(f"{index}/3") for index in (1, 2, 3)]
    assert sorted(region for regions in read for region in regions) == REGIONS
    assert read == [
        [region for region in REGIONS if shard.takes(Scope(ACCOUNT, region))]
        for shard in shards_of(3)
    ]


def regions_read(shard: str) -> list[str]:
    with new_extraction(REGIONS, shard=shard) as extraction:
        list(extraction.batches({}))
    return [report.region for report in extraction.reports]


def test_a_shard_without_scopes_ends_well(bedrock: Control) -> None:
    shard = next(shard for shard in shards_of(2) if not shard.takes(Scope(ACCOUNT, REGION)))
    state = {"444455556666/us-east-1": {"submitted_through": 1}}
    with new_extraction(shard=str(shard)) as extraction:
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
        new_extraction(shard="1/2")
    new_extraction().close()
