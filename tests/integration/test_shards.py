"""Workers that each have a share of the scopes load one lake together, without coordination."""

import time
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.load import load
from bedrock_emulator import Control
from tests.conftest import NOW
from tests.copies import assert_exact_copy, catalog_of
from tests.integration.budgets import cases
from tests.integration.places import LAKES
from tests.integration.test_lakes import start_run

pytestmark = pytest.mark.integration

ACCOUNTS = ("111122223333", "444455556666", "777788889999")
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1")
ROLES = [f"arn:aws:iam::{account}:role/reader" for account in ACCOUNTS[1:]]
OPTIONS = [
    *(f"--region={region}" for region in REGIONS),
    *(f"--role-arn={role}" for role in ROLES),
]


@pytest.fixture
def fleet(bedrock: Control) -> Control:
    start, end = NOW - timedelta(days=5), NOW + timedelta(days=5)
    for seed, (account, region) in enumerate(product(ACCOUNTS, REGIONS)):
        bedrock.populate(account, region, 1_000, start, end, seed)
    return bedrock


@pytest.fixture
def lake(table_format: str, fleet: Control, lake_url: str) -> LakeDestination:
    return LakeDestination(lake_url, table_format, catalog=catalog_of(table_format, lake_url))


def rows_loaded(lake: LakeDestination, number: int, of: int) -> int:
    """What one of `of` workers loads."""
    share = replace(lake, shard=f"{number}/{of}")
    options = {"regions": REGIONS, "role_arns": ROLES, "shard": f"{number}/{of}"}
    result = load(share, options)
    assert result.exit_code == 0
    return result.rows_loaded


def of_lakes(*kept: tuple[str, str]) -> pytest.MarkDecorator:
    """Tests every lake in a soak, and those `kept` for each change."""
    return pytest.mark.parametrize(
        ("table_format", "lake_url"), cases(LAKES, kept), indirect=["lake_url"]
    )


@of_lakes(("iceberg", "local"))
def test_four_workers_at_a_time_one_of_them_killed_make_an_exact_copy(
    fleet: Control, lake: LakeDestination
) -> None:
    for _ in range(2):
        workers = [start_run(lake, *OPTIONS, f"--shard={number}/4") for number in (1, 2, 3, 4)]
        while not fleet.calls():
            time.sleep(0.01)
        workers[2].kill()
        exit_codes = [worker.wait() for worker in workers]
        assert exit_codes[:2] + exit_codes[3:] == [0, 0, 0]
        assert start_run(lake, *OPTIONS, "--shard=3/4").wait() == 0
        assert_exact_copy(lake, fleet)
        fleet.advance(timedelta(hours=3))


@of_lakes(("parquet", "local"))
def test_another_number_of_workers_loses_and_repeats_nothing(
    fleet: Control, lake: LakeDestination
) -> None:
    for number in (1, 2, 3, 4):
        assert rows_loaded(lake, number, 4)
    for of in (3, 1, 4):
        assert [rows_loaded(lake, number, of) for number in range(1, of + 1)] == [0] * of
        fleet.advance(timedelta(hours=3))
        assert sum(rows_loaded(lake, number, of) for number in range(1, of + 1))
        assert_exact_copy(lake, fleet)
