"""The command line: what is printed where, and with which exit code."""

import json
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import boto3
import pytest
from filelock import FileLock
from typer.main import get_command
from typer.testing import CliRunner, Result

from bedrock_async_etl import version
from bedrock_async_etl.cli import COMMANDS, app
from bedrock_async_etl.options import (
    CheckOptions,
    DestinationOptions,
    ModelOptions,
    ReportOptions,
    RunOptions,
)
from bedrock_async_invokes.columns import ADDED_UP
from bedrock_async_invokes.options import LoadOptions, options_of
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy, model_names, query
from tests.organizations import Organization


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def listed(bedrock: Control, database: Path) -> Control:
    for region in (REGION, "eu-west-1"):
        bedrock.populate(ACCOUNT, region, 400, NOW - timedelta(days=3), NOW)
    return bedrock


def run_json(*arguments: str) -> tuple[dict[str, Any], Result]:
    result = invoke("run", "--json", *arguments)
    return json.loads(result.stdout), result


@pytest.mark.slow
def test_run_prints_one_json_document(listed: Control, database: Path) -> None:
    document, result = run_json("--database", str(database))
    [scope] = document["scopes"]
    assert list(document) == [
        "version",
        "run_id",
        "destination",
        "exit_code",
        "seconds",
        "rows_loaded",
        "rows_recovered",
        "scopes",
        "models",
        "checks",
        "models_error",
        "compaction",
        "published",
    ]
    assert all(model["rows"] >= 0 for model in document["models"])
    assert {check["violations"] for check in document["checks"]} == {0}
    assert document["models_error"] is None
    assert (document["exit_code"], document["rows_loaded"], result.exit_code) == (0, 400, 0)
    assert document["destination"] == f"duckdb:{database}"
    newest = max(row["submitTime"] for row in listed.listing(ACCOUNT, REGION))
    open_rows = sum(row["status"] == "InProgress" for row in listed.listing(ACCOUNT, REGION))
    settled_before = NOW - timedelta(seconds=LoadOptions.lag_seconds)
    settled_through = datetime.fromisoformat(scope.pop("settled_through"))
    assert settled_before - timedelta(minutes=1) < settled_through <= settled_before
    assert scope == dict.fromkeys(ADDED_UP, 0) | {
        "account_id": ACCOUNT,
        "region": REGION,
        "outcome": "ok",
        "error": None,
        "calls": 1,
        "pages": 1,
        "rows_read": 400,
        "rows_new": 400,
        "late_seconds": None,
        "scrubbed_through": None,
        "open_invocations": open_rows,
        "submitted_through": newest.replace("Z", "000+00:00"),
        "quarantine_reason": None,
        "is_range": False,
    }


@pytest.mark.slow
def test_run_prints_for_people_what_it_did(listed: Control, database: Path) -> None:
    result = invoke("run", "--database", str(database), "--region", REGION)
    assert result.exit_code == 0
    assert f"Loaded 400 rows into duckdb:{database}" in result.stdout
    assert result.stderr == ""
    assert re.search(r"Built (\d+) models in .* s; (\d+) of \2 checks hold\.", result.stdout)


def test_run_without_models_leaves_them_alone(listed: Control, database: Path) -> None:
    document, result = run_json("--database", str(database), "--no-models")
    assert (document["rows_loaded"], document["models"], result.exit_code) == (400, [], 0)
    schemas = "select count(*) from duckdb_schemas() where schema_name = 'bedrock_analytics'"
    assert query(database, schemas) == [(0,)]


def test_run_reads_the_accounts_of_an_organization(
    listed: Control, organization: Organization, database: Path
) -> None:
    for account in (ACCOUNT, "444455556666"):
        organization.has(account)
    document, result = run_json(
        "--database", str(database), "--no-models", "--organization-role", "audit/reader"
    )
    accounts = [(scope["account_id"], scope["outcome"]) for scope in document["scopes"]]
    assert accounts == [(ACCOUNT, "ok"), ("444455556666", "ok")]
    assert result.exit_code == 0


@pytest.mark.slow
def test_all_shards_together_are_the_whole_and_leave_the_models_alone(
    listed: Control, database: Path
) -> None:
    both = ("--database", str(database), "--region", REGION, "--region", "eu-west-1")
    shards = [run_json(*both, "--shard", f"{index}/3") for index in (1, 2, 3)]
    assert_exact_copy(database, listed)
    read = [scope["region"] for document, _ in shards for scope in document["scopes"]]
    assert sorted(read) == ["eu-west-1", REGION]
    assert [(document["models"], result.exit_code) for document, result in shards] == [([], 0)] * 3
    assert model_names(database) == []


def test_a_shard_that_is_configured_leaves_the_models_alone_too(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__BEDROCK_ASYNC_INVOKES__SHARD", "1/1")
    result = invoke("run", "--database", str(database))
    assert (result.exit_code, "Loaded 400 rows" in result.stdout) == (0, True)
    assert "models" not in result.stdout
    assert model_names(database) == []


@pytest.mark.slow
def test_models_rebuilds_the_models_and_lists_them(listed: Control, database: Path) -> None:
    invoke("run", "--database", str(database), "--no-models")
    result = invoke("models", "--database", str(database))
    assert result.exit_code == 0
    assert re.search(r"^invocations +400 ", result.stdout, re.MULTILINE)
    document = json.loads(invoke("models", "--database", str(database), "--json").stdout)
    assert document["exit_code"] == 0
    assert {model["name"] for model in document["models"]} >= {"invocations", "failure_spikes"}


@pytest.mark.slow
def test_a_check_that_does_not_hold_is_exit_code_1_after_the_load(
    listed: Control, database: Path
) -> None:
    """Four invocations are Completed, and nothing tells when they ended."""
    submitted = NOW - timedelta(hours=1)
    for number in range(4):
        arn = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke/endless00{number}"
        listed.put_raw(
            ACCOUNT,
            REGION,
            submitted,
            {
                "invocationArn": arn,
                "modelArn": f"arn:aws:bedrock:{REGION}::foundation-model/luma.ray-v2:0",
                "status": "Completed",
                "submitTime": submitted.isoformat(),
                "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://bucket"}},
            },
        )
    document, result = run_json("--database", str(database), "--strict")
    assert (document["rows_loaded"], document["exit_code"], result.exit_code) == (404, 1, 1)
    [broken] = [check for check in document["checks"] if check["violations"]]
    assert (broken["name"], broken["violations"]) == ("terminal_invocations_have_ended", 4)
    assert len(broken["examples"]) == 3
    logged = invoke("run", "--database", str(database)).stderr
    assert "Warning: check terminal_invocations_have_ended: 4 rows break the rule: An" in logged
    assert "\n  and 1 more row" in logged
    assert logged.count("async-invoke/endless00") == 3


@pytest.mark.slow
def test_what_a_check_finds_is_logged_as_json_whatever_it_is(
    listed: Control, database: Path, tmp_path: Path
) -> None:
    checks = tmp_path / "own" / "checks"
    checks.mkdir(parents=True)
    (checks / "mine.sql").write_text(
        "select date '2026-03-31' as day, 1.50 as price, 2::hugeint as total, 'a'::blob as content"
    )
    document, _ = run_json("--database", str(database), "--models", str(checks.parent))
    [broken] = [check for check in document["checks"] if check["violations"]]
    assert broken["examples"] == [
        {"day": "2026-03-31", "price": "1.50", "total": "2", "content": "b'a'"}
    ]


def test_a_model_that_cannot_be_built_is_exit_code_1_after_the_load(
    listed: Control, database: Path, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.sql").write_text("select 1 as a\nfrom nowhere")
    document, result = run_json("--database", str(database), "--models", str(tmp_path / "own"))
    assert (document["rows_loaded"], document["exit_code"], result.exit_code) == (400, 1, 1)
    assert "mine.sql reads nowhere, which is not there." in document["models_error"]
    logged = invoke("models", "--database", str(database), "--models", str(tmp_path / "own"))
    assert (logged.exit_code, logged.stderr.count("Error: ")) == (1, 1)


@pytest.mark.slow
def test_a_role_that_is_refused_in_five_regions_is_one_line(
    listed: Control, database: Path
) -> None:
    role = "arn:aws:iam::777788889999:role/reader"
    listed.refuse_role(role)
    regions = [REGION, "us-east-2", "us-west-2", "eu-west-1", "eu-north-1"]
    given = [f"--region={region}" for region in regions]
    result = invoke("run", f"--database={database}", f"--role-arn={role}", *given)
    lines = result.stdout.splitlines()
    assert result.exit_code == 3
    [refused] = result.stderr.splitlines()
    assert refused.startswith(
        f"777788889999/{', '.join(sorted(regions))} failed: Cannot assume {role}: "
    )
    assert (
        lines[-1]
        == "Partly loaded: 5 of 10 scopes failed. A run catches up once the cause is gone."
    )
    status = invoke("status", f"--database={database}").stdout
    assert [line for line in status.splitlines() if "Cannot assume" in line] == [refused]


def test_a_run_that_fails_says_so_in_its_last_line(listed: Control, database: Path) -> None:
    listed.faults(access_denied=True)
    result = invoke("run", f"--database={database}")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "Failed: 1 scope could not be read."
    [reason] = result.stderr.splitlines()
    assert reason.startswith(f"{ACCOUNT}/{REGION} failed: AccessDeniedException: ")
    assert reason.endswith(". Allow bedrock:ListAsyncInvokes.")


@pytest.mark.slow
def test_a_failed_scope_is_exit_code_3_and_status_says_why(listed: Control, database: Path) -> None:
    both = ("--database", str(database), "--region", REGION, "--region", "eu-west-1")
    listed.faults(ACCOUNT, "eu-west-1", access_denied=True)
    document, result = run_json(*both)
    assert (document["exit_code"], result.exit_code) == (3, 3)
    status = invoke("status", "--database", str(database))
    assert f"{ACCOUNT}/eu-west-1 failed: AccessDeniedException" in status.stdout
    assert "Allow bedrock:ListAsyncInvokes" in status.stdout
    listed.clear_faults()
    listed.advance(timedelta(minutes=10))
    document, _ = run_json(*both)
    assert (document["exit_code"], document["rows_loaded"] >= 400) == (0, True)
    status = invoke("status", "--database", str(database), "--json")
    scopes = json.loads(status.stdout)["scopes"]
    assert [scope["last_outcome"] for scope in scopes] == ["ok", "ok"]
    assert [scope["last_error"] for scope in scopes] == [None, None]


def test_a_busy_destination_is_exit_code_75(listed: Control, database: Path) -> None:
    run_json("--database", str(database), "--no-models")
    with FileLock(f"{database}.lock"):
        document, result = run_json("--database", str(database), "--wait", "0s")
        models = invoke("models", "--database", str(database), "--wait", "0s")
    assert (document["exit_code"], result.exit_code, models.exit_code) == (75, 75, 75)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--region", "us-esat-1"), "Unknown region 'us-esat-1'"),
        (("--role-arn", "reader"), "Not a role's ARN: 'reader'"),
        (("--organization-role", "a reader"), "Not a role's name: 'a reader'"),
        (("--shard", "3/2"), "Not a shard: '3/2'. It looks like I/N"),
        (("--since", "2026-03-02", "--until", "2026-03-01"), "--since must be before --until"),
        (("--since", "yesterday"), "since is not a time: 'yesterday'."),
        (("--concurrency", "0"), "concurrency must be 1 or more"),
        (("--lag", "-1"), "lag must be 0 seconds or more"),
        (("--lag", "100000000000"), "lag must be 0 seconds or more, and at most a century"),
        (("--models", "nowhere"), "nowhere has no .sql files"),
        (("--database", "bedrock.duckdb"), "cannot be called bedrock.duckdb"),
        (("--destination", "papyrus"), "papyrus"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_says_what_is_wrong(
    listed: Control, arguments: tuple[str, ...], complaint: str
) -> None:
    result = invoke("run", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr


def test_a_misspelt_key_is_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__CHECK__MAX_LAGG", "1h")
    result = invoke("check", "--max-failure-rate", "5%")
    assert result.exit_code == 2
    assert 'did you mean "max_lag"?' in result.stderr


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("run --bogus", "No such option: --bogus"),
        ("run --lag", "Option '--lag' requires an argument."),
        ("run --lag soon", "Invalid value for '--lag': "),
        ("run --destination papyrus", "Invalid value for '--destination': 'papyrus' is not one"),
        ("check --per day", "Invalid value for '--per': 'day' is not one of 'scope', "),
        ("report", "Missing argument 'FILE'."),
        ("statsu", "No such command 'statsu'. Did you mean 'status'?"),
        ("--bogus run", "No such option: --bogus"),
    ],
)
def test_a_wrong_command_line_that_asks_for_json_is_reported_in_json(
    line: str, reason: str
) -> None:
    """As every other error is: a document on stdout, or a line of the log on stderr."""
    command, *rest = line.split()
    printed = invoke(command, "--json", *rest)
    document = json.loads(printed.stdout)
    assert document == {"error": document["error"], "exit_code": 2}
    assert document["error"].startswith(reason)
    assert (printed.stderr, printed.exit_code) == (f"Error: {document['error']}\n", 2)
    for log_format in (["--log-format", "json"], ["--log-format=json"]):
        logged = invoke(command, *log_format, *rest)
        fields = json.loads(logged.stderr)
        assert (fields["event"], fields["exit_code"]) == ("error", 2)
        assert (logged.stdout, logged.exit_code) == ("", 2)


def test_a_wrong_command_line_of_a_person_names_the_help() -> None:
    result = invoke("run", "--bogus")
    assert "Try 'bedrock-async-etl run -h' for help." in result.stderr
    assert (result.stdout, result.exit_code) == ("", 2)


def test_a_file_that_is_no_toml_is_exit_code_2_and_named(tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text("[bedrock_async_etl\n")
    command = [sys.executable, "-m", "bedrock_async_etl", "status", "--json"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    document = json.loads(ended.stdout)
    assert ended.stderr == f"Error: {document['error']}\n"
    assert re.fullmatch(r"\./\.dlt/config\.toml is no TOML: .* at line 1 .*", document["error"])
    assert (document["exit_code"], ended.returncode) == (2, 2)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SOURCES__BEDROCK_ASYNC_INVOKES__LAG_SECONDS", "soon"),
        ("SOURCES__BEDROCK_ASYNC_INVOKES__FAILURE_MESSAGE", "shred"),
        ("AWS_PROFILE", "missing"),
        ("AWS_DEFAULT_REGION", "us east"),
        ("DLT_DATA_DIR", "/proc/nothing"),
    ],
)
def test_a_bad_environment_is_logged_in_one_line(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    role = "arn:aws:iam::444455556666:role/reader"
    document, result = run_json("--database", str(database), "--role-arn", role)
    assert document["exit_code"] == result.exit_code != 0
    assert "Error: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_date_is_a_time_in_utc(listed: Control, database: Path) -> None:
    document, _ = run_json("--database", str(database), "--since", "2026-03-30")
    since = "2026-03-30T00:00:00"
    rows = [row for row in listed.listing(ACCOUNT, REGION) if row["submitTime"] >= since]
    assert document["rows_loaded"] == len(rows) > 0


def test_without_credentials_one_line_says_what_to_do(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    result = invoke("run", "--database", str(database))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: No AWS credentials found.")
    assert len(result.stderr.splitlines()) == 1


def test_an_endpoint_that_does_not_answer_fails_the_scope(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:9")
    monkeypatch.setattr("bedrock_async_invokes.accounts.ATTEMPTS_PER_CALL", 1)
    document, result = run_json("--database", str(database))
    assert result.exit_code == 1
    assert document["scopes"][0]["error"].startswith("EndpointConnectionError: ")


def test_expired_credentials_say_so(listed: Control, database: Path) -> None:
    listed.limit_sessions(timedelta(minutes=15))
    role = "arn:aws:iam::444455556666:role/reader"
    keys = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    listed.advance(timedelta(hours=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", keys["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", keys["SecretAccessKey"])
        patch.setenv("AWS_SESSION_TOKEN", keys["SessionToken"])
        document, result = run_json("--database", str(database))
    assert result.exit_code == 1
    assert document["scopes"][0]["error"].startswith("ExpiredTokenException: ")


@pytest.mark.slow
def test_a_database_can_be_configured(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__DATABASE", str(database))
    document, _ = run_json()
    assert document["destination"] == f"duckdb:{database}"


def test_status_of_nothing_says_what_to_do(database: Path) -> None:
    result = invoke("status", "--database", str(database))
    assert result.exit_code == 1
    assert "does not exist: load it first with `run`" in result.stderr


def test_the_version_is_that_of_the_distribution(listed: Control, database: Path) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", version())
    result = invoke("--version")
    assert (result.stdout, result.exit_code) == (f"bedrock-async-etl {version()}\n", 0)
    document, _ = run_json("--database", str(database), "--no-models")
    assert document["version"] == version()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_its_examples_line_by_line(command: str) -> None:
    result = invoke(command, "--help")
    assert result.exit_code == 0
    shown = result.stdout.partition("\n  Examples:\n\n")[2]
    assert dedent(shown) == COMMANDS[command].EXAMPLES
    assert invoke(command, "-h").stdout == result.stdout


def test_the_help_of_a_run_has_its_options_in_panels() -> None:
    shown = invoke("run", "--help").stdout.partition("Examples:")[0]
    panels = {
        title: re.findall(r"^  (?:-h, )?(--[\w-]+)", options, re.MULTILINE)
        for title, options in re.findall(r"^(\w.*):\n((?:  .*\n)+)", shown, re.MULTILINE)
    }
    expected: dict[str, list[str]] = {}
    for each in (LoadOptions, DestinationOptions, ModelOptions, RunOptions):
        for option in filter(lambda one: one.flag, options_of(each)):
            expected.setdefault(option.panel, []).append(option.flag)
    expected["Models"] += ["--no-models", "--strict"]
    expected["Output"] += ["--json"]
    expected["Options"] = ["--debug", "--help"]
    assert panels == expected


@pytest.mark.parametrize("command", COMMANDS)
def test_the_lines_of_a_help_fit_a_terminal_of_80_columns(command: str) -> None:
    shown = invoke(command, "--help").stdout.partition("Examples:")[0]
    assert max(map(len, shown.splitlines())) <= 80


DECLARED = {
    "run": (LoadOptions, DestinationOptions, ModelOptions, RunOptions),
    "models": (ModelOptions,),
    "check": (CheckOptions,),
    "report": (ReportOptions,),
}


@pytest.mark.parametrize("command", DECLARED)
def test_each_declared_option_is_a_flag_with_its_help_and_default(command: str) -> None:
    parameters = get_command(app).commands[command].params  # type: ignore[attr-defined]
    flags = {parameter.name: parameter for parameter in parameters}
    shown = invoke(command, "--help").stdout
    declared = [option for each in DECLARED[command] for option in options_of(each)]
    for option in [option for option in declared if option.flag]:
        flag = flags[option.name]
        assert (flag.opts, flag.metavar, flag.help) == ([option.flag], option.metavar, option.help)
        assert flag.rich_help_panel == option.panel
        assert flag.show_default == (str(option.default) if option.default else False)
        assert not option.choices or f"{option.flag} <{'|'.join(option.choices)}>" in shown


def test_failure_messages_are_dropped_where_that_is_asked_for(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flag wins over the configuration."""
    monkeypatch.setenv("SOURCES__BEDROCK_ASYNC_INVOKES__FAILURE_MESSAGE", "keep")
    run_json("--database", str(database), "--no-models", "--failure-message", "drop")
    messages = "select count(failure_message), count(*) from bedrock.async_invokes"
    assert query(database, messages) == [(0, 400)]


def test_the_list_of_commands_says_of_each_in_one_line_what_it_does() -> None:
    # Typer leaves two of a terminal's 80 columns free.
    shown = CliRunner().invoke(app, ["--help"], terminal_width=78).stdout
    listed = shown.partition("Commands:\n")[2]
    assert [line.split()[0] for line in listed.splitlines()] == list(COMMANDS)
    assert "..." not in listed


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_in_the_reference(command: str) -> None:
    words = set(re.findall(r"[\w-]+", Path("docs/configuration.md").read_text()))
    parameters = get_command(app).commands[command].params  # type: ignore[attr-defined]
    options = {option for parameter in parameters for option in parameter.opts}
    assert {command, *(option for option in options if option.startswith("--"))} <= words


@pytest.mark.slow
@pytest.mark.parametrize("command", [("status",), ("check", "--max-p95", "1h")])
def test_what_cron_asks_often_starts_without_what_it_does_not_need(
    command: tuple[str, ...], listed: Control, database: Path
) -> None:
    """It takes longer to import than five million rows to query."""
    invoke("run", f"--database={database}")
    code = (
        "import sys, bedrock_async_etl.cli as cli\n"
        "try: cli.app()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    arguments = [sys.executable, "-c", code, *command, f"--database={database}"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    modules = set(done.stderr.split())
    assert "duckdb" in modules
    lake, merge = (
        "bedrock_async_etl.destinations.lake",
        "bedrock_async_etl.destinations.database.merge",
    )
    assert modules & {"pandas", "pyarrow.compute", "deltalake", lake, merge} == set()
