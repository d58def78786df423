"""The Variable of a DAG: what it sets, and what is said of one that is wrong."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from bedrock_async_etl.airflow_settings import EXAMPLE, SETTINGS, AirflowSettings
from bedrock_async_etl.check.thresholds import Limits, Thresholds, find_thresholds
from bedrock_async_etl.configuration import environment
from bedrock_async_etl.destinations import find_destination
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.load import load
from bedrock_emulator import Control
from tests.bedrock_async_invokes.test_roles import EXTERNAL_ID, HUB, SPOKE, sessions
from tests.conftest import ACCOUNT


def parse(document: Any) -> AirflowSettings:
    return AirflowSettings.parse("bedrock", json.dumps(document))


def test_the_example_is_all_that_is_needed() -> None:
    settings = AirflowSettings.parse("bedrock", EXAMPLE)
    assert settings == AirflowSettings(database="/data/bedrock_async.duckdb")
    assert settings.environment == {}


def test_each_setting_has_a_kind() -> None:
    assert SETTINGS.keys() == {each.name for each in fields(AirflowSettings)}


def test_what_is_read_is_what_the_source_is_configured_with(
    bedrock: Control, database: Path
) -> None:
    settings = parse(
        {
            "lake": "s3://lake/bedrock",
            "regions": ["us-east-1", "eu-west-1"],
            "role_arns": ["arn:aws:iam::444455556666:role/reader"],
            "lag_seconds": 60,
            "failure_message": "drop",
        }
    )
    assert settings.environment == {
        "SOURCES__BEDROCK_ASYNC_INVOKES__REGIONS": '["us-east-1", "eu-west-1"]',
        "SOURCES__BEDROCK_ASYNC_INVOKES__ROLE_ARNS": '["arn:aws:iam::444455556666:role/reader"]',
        "SOURCES__BEDROCK_ASYNC_INVOKES__LAG_SECONDS": "60",
        "SOURCES__BEDROCK_ASYNC_INVOKES__FAILURE_MESSAGE": "drop",
    }
    with environment(settings.environment):
        loaded = load(DuckDBDestination(database))
    scopes = {(report.account_id, report.region) for report in loaded.scopes}
    regions = ("us-east-1", "eu-west-1")
    assert scopes == {(who, where) for who in (ACCOUNT, "444455556666") for where in regions}


def test_roles_are_assumed_as_it_says(bedrock: Control, database: Path) -> None:
    bedrock.trust(SPOKE, principal=HUB, external_id=EXTERNAL_ID)
    settings = parse(
        {
            "database": "/data/copy.duckdb",
            "role_arns": [SPOKE],
            "hub_role_arn": HUB,
            "external_id": EXTERNAL_ID,
            "role_session_name": "audit",
        }
    )
    assert EXTERNAL_ID not in repr(settings)
    with environment(settings.environment):
        loaded = load(DuckDBDestination(database))
    assert [report.outcome for report in loaded.scopes] == ["ok", "ok"]
    assert sessions(bedrock) == ["hub/audit", "reader/audit"]


def test_thresholds_are_those_of_check() -> None:
    check = {
        "max_failure_rate": 0.05,
        "max_lag": "1h",
        "strict": True,
        "models": {"amazon.nova-reel-v1:1": {"max_p95": "15m"}},
    }
    with environment(parse({"database": "/data/copy.duckdb", "check": check}).environment):
        assert find_thresholds() == Thresholds(
            {
                "failure_rate": Limits(0.05),
                "p95": Limits(None, {"amazon.nova-reel-v1:1": 900.0}),
                "lag": Limits(3_600.0),
            },
            is_strict=True,
        )


def test_a_database_wins_over_a_lake_that_the_worker_has_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__LAKE", "/data/lake")
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__DESTINATION", "delta")
    settings = parse({"database": "/data/copy.duckdb"})
    target = find_destination(**settings.place, **settings.kind)
    assert target == DuckDBDestination(Path("/data/copy.duckdb"))


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], f"The Variable bedrock is not a JSON object. It looks like {EXAMPLE}."),
        ({}, f'The Variable bedrock has either "database" or "lake", such as {EXAMPLE}.'),
        ({"database": "/a", "lake": "/b"}, 'has either "database" or "lake"'),
        ({"region": ["us-east-1"]}, '"region", which is no setting: did you mean "regions"?'),
        ({"x": 1}, '"x", which is no setting: it may have database, lake, '),
        ({"regions": "us-east-1"}, '"regions" is a list of texts, not "us-east-1".'),
        ({"regions": [1]}, '"regions" is a list of texts, not [1].'),
        ({"external_id": 4711}, '"external_id" is a text, not a whole number.'),
        ({"lake": "/a", "shards": True}, '"shards" is a whole number, not true.'),
        ({"lake": "/a", "shards": 0}, '"shards" is 1 or more, not 0.'),
        ({"database": "/a", "shards": 2}, '"shards" needs "lake"'),
        ({"database": "/a", "destination": "delta"}, '"destination" goes with "lake".'),
        ({"database": "a.duckdb"}, "\"database\" is a whole path, not 'a.duckdb'"),
        ({"lake": "s3://a/b", "export": "out"}, "\"export\" is a whole path, not 'out'"),
        ({"lake": "/a", "check": {"max_age": "1h"}}, '"check" has "max_age", which is no setting'),
        ({"lake": "/a", "check": {"window": []}}, '"window" is a text or a whole number or a'),
    ],
)
def test_what_is_wrong_is_said(document: Any, complaint: str) -> None:
    with pytest.raises(UsageError) as told:
        parse(document)
    assert complaint in str(told.value)


def test_what_is_not_json_is_said() -> None:
    with pytest.raises(UsageError, match=r"^The Variable bedrock is not JSON: Expecting value"):
        AirflowSettings.parse("bedrock", "database=/data/copy.duckdb")
