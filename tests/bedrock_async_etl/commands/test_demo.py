"""The demo's proof: the table against the whole listing."""

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from bedrock_async_etl.cli import app
from bedrock_async_etl.commands.demo import ACCOUNTS, LOAD, REGIONS, prove
from bedrock_async_etl.console import output_console
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.load import load
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION


def proof(database: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    exit_code = prove(output_console(), DuckDBDestination(database), {})
    return exit_code, capsys.readouterr().out.splitlines()[2]


@pytest.mark.slow
def test_each_column_of_each_row_is_compared(
    bedrock: Control, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bedrock.populate(ACCOUNT, REGION, 200, NOW - timedelta(days=3), NOW)
    load(DuckDBDestination(database))
    assert proof(database, capsys) == (
        0,
        "200 listed, 200 in the table, 200 equal: an exact copy.",
    )
    with duckdb.connect(database) as connection:
        connection.execute(
            "update bedrock.async_invokes set output_s3_uri = 's3://other' "
            "where invocation_arn = (select min(invocation_arn) from bedrock.async_invokes)"
        )
    assert proof(database, capsys) == (
        1,
        "200 listed, 200 in the table, 199 equal: NOT an exact copy.",
    )
    with duckdb.connect(database) as connection:
        connection.execute("delete from bedrock.async_invokes where output_s3_uri = 's3://other'")
    assert proof(database, capsys) == (
        1,
        "200 listed, 199 in the table, 199 equal: NOT an exact copy.",
    )


def test_the_load_obeys_no_configuration_of_the_users(
    bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "SHARD": "1/4",
        "UNTIL": "2000-01-01",
        "ORGANIZATION_ROLE": "reader",
        "HUB_ROLE_ARN": "arn:aws:iam::999988887777:role/hub",
        "EXTERNAL_ID": "id-1",
        "FAILURE_MESSAGE": "drop",
    }.items():
        monkeypatch.setenv(f"SOURCES__BEDROCK_ASYNC_INVOKES__{name}", value)
    scopes = [(account, region) for account in ACCOUNTS for region in REGIONS]
    for scope in scopes:
        bedrock.submit(
            *scope,
            submit_time=NOW - timedelta(hours=1),
            duration=timedelta(minutes=1),
            failure_message="It failed.",
        )
    result = load(DuckDBDestination(database), LOAD)
    assert {(each.account_id, each.region) for each in result.scopes} == set(scopes)
    with duckdb.connect(database) as connection:
        rows = connection.sql("select failure_message from bedrock.async_invokes").fetchall()
    assert rows == len(scopes) * [("It failed.",)]


@pytest.mark.parametrize(
    ("name", "code", "complaint"),
    [
        ("mine.duckdb", 1, "mine.html exists, and the demo makes its file anew: name another."),
        ("mine.html", 2, "mine.html is where the report goes: name the database bedrock_demo"),
    ],
)
def test_a_file_of_somebodys_is_not_replaced(
    name: str, code: int, complaint: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.html").write_text("mine")
    result = CliRunner().invoke(app, ["demo", f"--database={tmp_path / name}"])
    assert (result.exit_code, complaint in result.stderr) == (code, True)
    assert (tmp_path / "mine.html").read_text() == "mine"
