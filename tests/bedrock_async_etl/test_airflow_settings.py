"""The Variable of a DAG: what it sets, and what is said of one that is wrong."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bedrock_async_etl.airflow_settings import (
    CHECK,
    EXAMPLE,
    LOAD,
    OWN,
    PER_TASK,
    PLACE,
    AirflowSettings,
    task_environment,
)
from bedrock_async_etl.check.thresholds import Limits, Thresholds, find_thresholds
from bedrock_async_etl.configuration import environment
from bedrock_async_etl.destinations import existing_destination, find_destination
from bedrock_async_etl.destinations.database.published_copy import Publisher, find_publisher
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.load import load
from bedrock_async_etl.models.build import find_models
from bedrock_async_etl.options import DESTINATIONS
from bedrock_async_invokes.options import LoadOptions, options_of
from bedrock_emulator import Control
from tests.bedrock_async_invokes.test_roles import EXTERNAL_ID, HUB, SPOKE, sessions
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import query

KINDS = " or ".join(f'"{each}"' for each in DESTINATIONS)


def parse(document: Any) -> AirflowSettings:
    return AirflowSettings.parse("bedrock", json.dumps(document))


def place(document: Mapping[str, Any]) -> dict[str, str]:
    """Where a Variable's settings load to, as variables of the environment."""
    variables = parse(document).environment
    prefix = "BEDROCK_ASYNC_ETL__"
    return {name.removeprefix(prefix): value for name, value in variables.items()}


def test_the_example_is_all_that_is_needed() -> None:
    settings = AirflowSettings.parse("bedrock", EXAMPLE)
    assert (settings.shards, settings.export, settings.aws_conn_id) == (1, None, None)
    assert not settings.has_thresholds
    database = "/data/bedrock_async.duckdb"
    assert place(json.loads(EXAMPLE)) == {"DATABASE": database, "DESTINATION": "duckdb", "LAKE": ""}


def test_every_option_of_a_load_is_a_setting_or_a_tasks_own() -> None:
    assert LOAD.keys() | set(PER_TASK) == {each.name for each in options_of(LoadOptions)}
    assert not (LOAD.keys() | PLACE.keys()) & OWN.keys()
    assert "notify" not in CHECK


def test_what_is_read_is_what_the_source_is_configured_with(
    bedrock: Control, database: Path
) -> None:
    document = {
        "lake": "s3://lake/bedrock",
        "compact_after": 50,
        "regions": ["us-east-1", "eu-west-1"],
        "role_arns": ["arn:aws:iam::444455556666:role/reader"],
        "lag_seconds": 60,
        "failure_message": "drop",
    }
    settings = parse(document)
    assert settings.environment == {
        "BEDROCK_ASYNC_ETL__LAKE": "s3://lake/bedrock",
        "BEDROCK_ASYNC_ETL__COMPACT_AFTER": "50",
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


def test_a_tasks_own_options_are_those_of_its_load(bedrock: Control, database: Path) -> None:
    for hour in range(3):
        bedrock.submit(ACCOUNT, REGION, submit_time=NOW - timedelta(hours=hour))
    since, until = ((NOW - timedelta(hours=hours)).isoformat() for hours in (1, 0))
    variables = task_environment(shard=None, since=since, until=until.replace("+00:00", "Z"))
    assert [name.rpartition("__")[2] for name in variables] == ["SINCE", "UNTIL"]
    with environment(variables):
        load(DuckDBDestination(database))
    [submitted] = query(database, "select submit_time from bedrock.async_invokes")
    assert submitted == (NOW - timedelta(hours=1),)
    with environment(task_environment(shard="1/1")):
        assert load(DuckDBDestination(database)).is_part


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
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__LAKE", "/data/lake")
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__DESTINATION", "delta")
    database = tmp_path / "copy.duckdb"
    with environment(parse({"database": str(database)}).environment):
        assert find_destination() == DuckDBDestination(database)
        database.touch()
        assert existing_destination() == DuckDBDestination(database)


def test_a_copy_is_published_where_it_says(tmp_path: Path) -> None:
    database, file = tmp_path / "copy.duckdb", tmp_path / "readers.duckdb"
    settings = parse({"database": str(database), "publish": str(file)})
    with environment(settings.environment):
        assert find_publisher(find_destination()) == Publisher(DuckDBDestination(database), file)


def test_models_of_ones_own_are_those_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text("select 1")
    with environment(parse({"lake": "/lake", "models": str(tmp_path)}).environment):
        assert find_models() == tmp_path


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], f"The Variable bedrock is not a JSON object. It looks like {EXAMPLE}."),
        ({}, f'The Variable bedrock needs either "database" or "lake", such as {EXAMPLE}.'),
        ({"database": "/a", "lake": "/b"}, 'needs either "database" or "lake"'),
        ({"region": ["us-east-1"]}, '"region", which is no setting: did you mean "regions"?'),
        ({"shard": "1/2"}, '"shard", which is no setting: did you mean "shards"?'),
        ({"x": 1}, '"x", which is no setting: it may have destination, database, lake, '),
        ({"regions": "us-east-1"}, '"regions" must be a list of texts, not "us-east-1".'),
        ({"regions": [1]}, '"regions" must be a list of texts, not [1].'),
        ({"external_id": 4711}, '"external_id" must be a text, not a whole number.'),
        ({"lake": "/a", "shards": True}, '"shards" must be a whole number, not true.'),
        ({"lake": "/a", "shards": 0}, '"shards" must be 1 or more, not 0.'),
        ({"lake": "/a", "destination": "x"}, f'must be {KINDS}, not "x".'),
        ({"lake": "/a", "concurrency": 0}, "The concurrency must be 1 or more, not 0."),
        ({"lake": "/a", "role_arns": ["x"]}, "The Variable bedrock: Not a role's ARN: 'x'."),
        ({"database": "/a", "shards": 2}, '"shards" needs "lake"'),
        ({"database": "/a", "destination": "delta"}, '"destination" goes with "lake".'),
        ({"lake": "/a", "publish": "/b"}, '"publish" goes with "database", which it copies.'),
        ({"database": "/a", "publish": "b"}, "\"publish\" must be a whole path, not 'b'"),
        ({"database": "a.duckdb"}, "\"database\" must be a whole path, not 'a.duckdb'"),
        ({"lake": "s3://a/b", "export": "out"}, "\"export\" must be a whole path, not 'out'"),
        ({"lake": "/a", "check": {"max_age": "1h"}}, '"check" has "max_age", which is no setting'),
        ({"lake": "/a", "check": {"notify": "x"}}, '"check" has "notify", which is no setting'),
        ({"lake": "/a", "check": {"window": []}}, '"window" must be a text or a whole number or a'),
        ({"lake": "/a", "check": {"strict": 1}}, '"strict" must be true or false, not 1.'),
    ],
)
def test_what_is_wrong_is_said(document: Any, complaint: str) -> None:
    with pytest.raises(UsageError) as told:
        parse(document)
    assert complaint in str(told.value)


def test_what_is_not_json_is_said() -> None:
    with pytest.raises(UsageError, match=r"^The Variable bedrock is not JSON: Expecting value"):
        AirflowSettings.parse("bedrock", "database=/data/copy.duckdb")
