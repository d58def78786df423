"""`status`: is it fresh, is it whole, what is stuck; for people and for machines."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
from typer.testing import CliRunner, Result

from bedrock_async_etl.cli import app
from bedrock_async_etl.commands.status import print_status
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.formatting import format_duration
from bedrock_async_etl.status import Status, read_status
from bedrock_async_invokes.columns import EXTRACT_RUNS
from bedrock_emulator import Control
from tests.bedrock_async_etl.copies import REEL, invocation, modelled, report, store
from tests.conftest import ACCOUNT, NOW, REGION

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture
def listed(bedrock: Control) -> Control:
    for region in (REGION, "eu-west-1"):
        bedrock.populate(ACCOUNT, region, 400, NOW - timedelta(days=3), NOW, never_ending_rate=0)
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW - timedelta(days=2), s3_uri="s3://renders/a")
    return bedrock


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def run(database: Path, *arguments: str) -> Result:
    both = ("--region", REGION, "--region", "eu-west-1")
    return invoke("run", f"--database={database}", *both, *arguments)


def load(database: Path, *arguments: str) -> Result:
    return run(database, "--no-models", *arguments)


def status_json(database: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        invoke("status", f"--database={database}", "--json").stdout
    )
    return document


@pytest.mark.slow
def test_at_a_glance(listed: Control, database: Path) -> None:
    run(database)
    lines = invoke("status", f"--database={database}").stdout.splitlines()
    [stuck] = [
        row["invocationArn"]
        for row in listed.listing(ACCOUNT, REGION)
        if row["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"].startswith("s3://renders/a")
    ]
    assert lines[0].startswith("Fresh?  Yes: all 2 scopes were loaded in the last ")
    assert lines[1] == "Whole?  Yes: the last run of 2 scopes succeeded."
    assert lines[3].startswith("Stuck?  Yes: ")
    assert lines[3].endswith(" open, 1 stuck.")
    assert lines[4:7] == [
        "Failing?  No: no open incident.",
        "",
        "Longest open for their model (1 of 1):",
    ]
    assert lines[7].startswith("stuck for 2 d, since 2026-03-29 12:00:00 UTC, 99 % finish within ")
    assert lines[7].endswith(": amazon.nova-reel-v1:1")
    assert lines[8:10] == [f"  {stuck}", "  s3://renders/a"]
    assert lines[10] == (
        "Next: submit what is stuck again, since no call cancels it, and ask AWS Support."
    )
    assert lines[12].split() == [
        *("account", "region", "last", "run", "last", "success"),
        *("submitted", "through", "(UTC)", "open"),
    ]


@pytest.mark.slow
def test_every_field_of_the_document_is_described(listed: Control, database: Path) -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text().partition("### Status as JSON")[2]
    described = set(re.findall(r"`(\w+)`", text.partition("\n#")[0]))
    run(database)
    document = status_json(database)
    nested = [part for part in document.values() if isinstance(part, dict)]
    assert {name for part in (document, *nested) for name in part} <= described
    columns = {column.name for column in EXTRACT_RUNS.columns}
    assert document["scopes"][0].keys() <= described | columns


@pytest.mark.slow
def test_a_machine_is_told_the_same(listed: Control, database: Path) -> None:
    run(database)
    document = status_json(database)
    assert list(document) == [
        "destination",
        "working_directory",
        "answers",
        "fresh",
        "whole",
        "exact",
        "stuck",
        "incidents",
        "scopes",
        "retired",
        "exit_code",
    ]
    assert document["working_directory"] == str(DuckDBDestination(database).working_directory)
    assert document["whole"] == {"scopes": 2, "failed": 0, "unread": 0, "quarantined": 0}
    assert document["exact"] == {
        "scrub_runs": 2,
        "scrub_seconds": None,
        "rows_healed": 0,
        "rows_late": 0,
        "late_seconds": None,
    }
    assert document["fresh"]["never_read"] == document["exit_code"] == 0
    stuck = document["stuck"]
    assert (stuck["stuck"], stuck["vanished"], stuck["are_models_behind"]) == (1, 0, False)
    assert [worst["output_s3_uri"] for worst in stuck["worst"]] == ["s3://renders/a"]
    assert {
        "account_id",
        "region",
        "last_success_at",
        "last_outcome",
        "submitted_through",
        "open_invocations",
        "last_error",
    } <= document["scopes"][0].keys()


def test_a_failed_scope_comes_first_and_the_copy_is_not_whole(
    listed: Control, database: Path
) -> None:
    listed.faults(ACCOUNT, REGION, access_denied=True)
    load(database)
    result = invoke("status", f"--database={database}")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0] == (
        f"Fresh?  No: 1 of 2 scopes never loaded ({ACCOUNT}/{REGION}). "
        "Next: fix the error, and `run`."
    )
    assert lines[1] == (
        f"Whole?  No: the last run of 1 of 2 scopes failed ({ACCOUNT}/{REGION}). "
        "Next: fix the errors below, and `run`."
    )
    table = lines[next(n for n, line in enumerate(lines) if line.startswith("account")) :]
    assert table[1].split()[:4] == [ACCOUNT, REGION, "failed", "never"]
    assert table[-1].startswith(f"{ACCOUNT}/{REGION} failed: AccessDeniedException")
    whole = {"scopes": 2, "failed": 1, "unread": 0, "quarantined": 0}
    assert status_json(database)["whole"] == whole


@pytest.mark.slow
def test_a_range_alone_is_neither_fresh_nor_whole(listed: Control, database: Path) -> None:
    since = (NOW - timedelta(days=1)).isoformat()
    load(database, "--since", since)
    lines = invoke("status", f"--database={database}").stdout.splitlines()
    assert lines[:2] == [
        "Fresh?  No: no run has read a whole scope yet. Next: `run` without --since and --until.",
        f"Whole?  No: only ranges of 2 scopes were read ({ACCOUNT}/eu-west-1 and 1 more). "
        "Next: `run` without --since and --until.",
    ]
    assert invoke("check", f"--database={database}", "--max-lag", "1h").exit_code == 2
    load(database)
    whole = status_json(database)["scopes"]
    listed.advance(timedelta(hours=3))
    listed.faults(ACCOUNT, REGION, access_denied=True)
    load(database)
    listed.clear_faults()
    load(database, "--since", (NOW + timedelta(hours=2)).isoformat())
    now = status_json(database)
    assert now["whole"]["failed"] == 1
    for scope, before in zip(now["scopes"], whole, strict=True):
        is_read = scope["region"] != REGION
        assert (scope["last_success_at"] > before["last_success_at"]) == is_read


def test_a_range_without_a_gap_is_a_run_like_any_other(listed: Control, database: Path) -> None:
    load(database)
    before = status_json(database)
    listed.advance(timedelta(hours=3))
    load(database, "--since", (NOW - timedelta(days=1)).isoformat())
    after = status_json(database)
    pairs = zip(before["scopes"], after["scopes"], strict=True)
    assert all(one["last_success_at"] < other["last_success_at"] for one, other in pairs)


@pytest.mark.slow
def test_a_scope_that_is_no_longer_read_is_retired(listed: Control, database: Path) -> None:
    load(database)
    dropped = f"{ACCOUNT}/eu-west-1"
    lag = ("check", f"--database={database}", "--max-lag", "1h", "--json")

    def later(days: float) -> list[str]:
        """Runs are loaded by this machine's clock, whatever the service's is."""
        with duckdb.connect(database) as connection:
            connection.execute(
                "update bedrock.extract_runs set _dlt_load_id = "
                f"(_dlt_load_id::double - {days * 86_400})::text"
            )
        listed.advance(timedelta(days=days))
        invoke("run", f"--database={database}", "--no-models", "--region", REGION)
        return invoke("status", f"--database={database}").stdout.splitlines()

    assert not [line for line in later(0.5) if line.startswith("No longer read")]
    unread = later(2)
    assert unread[-1] == (
        f"No longer read, and retired a week after the last time: {dropped}. "
        "Next: name them to `run` if they should be read."
    )
    assert status_json(database)["whole"]["unread"] == 1
    assert "; it is no longer read" in invoke(*lag).stdout
    retired = later(5)
    assert not [line for line in retired if "eu-west-1" in line or "2 scopes" in line]
    assert dropped not in invoke(*lag).stdout
    document = status_json(database)
    assert [scope["region"] for scope in document["scopes"]] == [REGION]
    assert [scope["region"] for scope in document["retired"]] == ["eu-west-1"]
    shown = invoke("status", f"--database={database}", "--all").stdout
    assert [line.split()[:3] for line in shown.splitlines() if "eu-west-1" in line] == [
        [ACCOUNT, "eu-west-1", "retired"]
    ]


def test_a_scope_that_fails_by_another_clock_retires_no_other(
    listed: Control, database: Path
) -> None:
    """One that never reaches the service is dated by this machine's clock, years later."""
    role = "arn:aws:iam::777788889999:role/reader"
    listed.refuse_role(role)
    load(database, f"--role-arn={role}")
    document = status_json(database)
    assert (len(document["scopes"]), document["whole"]["failed"]) == (4, 2)
    assert (document["whole"]["unread"], document["retired"]) == (0, [])


@pytest.mark.slow
def test_a_run_without_an_account_leaves_no_scope(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(database)
    with monkeypatch.context() as broken:
        broken.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
        broken.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:9")
        broken.setenv("AWS_MAX_ATTEMPTS", "1")
        assert load(database).exit_code == 1
    load(database)
    document = status_json(database)
    assert [scope["account_id"] for scope in document["scopes"]] == [ACCOUNT] * 2
    assert document["whole"]["failed"] == 0


def test_without_models_it_tells_what_is_known(listed: Control, database: Path) -> None:
    load(database)
    lines = invoke("status", f"--database={database}").stdout.splitlines()
    assert lines[3].startswith("Stuck?  Unknown: ")
    assert lines[3].endswith(" open; build the models with `models`.")
    stuck = status_json(database)["stuck"]
    assert (stuck["stuck"], stuck["modelled_at"], stuck["worst"]) == (None, None, [])
    assert stuck["open"] >= 1


@pytest.mark.slow
def test_without_a_typical_latency_it_is_unknown_whether_one_is_stuck(
    bedrock: Control, database: Path
) -> None:
    """It takes 30 invocations of the model that have ended."""
    s3_uri, age = "s3://renders/a", timedelta(days=2)
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW - age, s3_uri=s3_uri)
    run(database)
    lines = invoke("status", f"--database={database}").stdout.splitlines()
    assert lines[3] == "Stuck?  Unknown: 1 open, 0 stuck, 1 unknown."
    assert lines[7].startswith("open for 2 d, since 2026-03-29 12:00:00 UTC: amazon.nova")
    stuck = status_json(database)["stuck"]
    counts = {"open": 1, "stuck": 0, "unknown": 1, "vanished": 0}
    assert {name: stuck[name] for name in counts} == counts
    [worst] = stuck["worst"]
    found = [worst[name] for name in ("is_stuck", "typical_p99", "output_s3_uri")]
    assert found[:2] == [None, None]
    assert found[2].startswith(s3_uri)


@pytest.mark.parametrize(
    ("completed", "ago", "line"),
    [
        (
            1,
            timedelta(hours=30),
            f"Nothing ends of {REEL}: 5 open, none has ended in 24 h, "
            "fewer than 30 completed in 30 d. Next: see https://health.aws.amazon.com.",
        ),
        (
            30,
            timedelta(hours=30),
            f"Nothing ends of {REEL}: 5 open, none has ended in 24 h. "
            "Next: see https://health.aws.amazon.com.",
        ),
        (
            1,
            timedelta(hours=2),
            f"Unknown what is stuck of {REEL}: 5 open, fewer than 30 completed in 30 d.",
        ),
        (30, timedelta(hours=2), None),
    ],
)
def test_a_model_is_told_of_which_nothing_ends_or_nothing_is_known(
    completed: int,
    ago: timedelta,
    line: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [invocation(f"open{number}", timedelta(hours=25), None) for number in range(5)]
    rows += [invocation(f"done{number}", ago) for number in range(completed)]
    status = read_status(modelled(tmp_path / "copy.duckdb", rows), NOW, 1)
    print_status(status, all_scopes=False)
    shown = capsys.readouterr().out.splitlines()
    assert [each for each in shown if f"of {REEL}: 5 open" in each] == ([line] if line else [])
    assert [model["is_stalled"] for model in status.as_json()["stuck"]["inconclusive"]] == (
        [ago > timedelta(hours=24)] if line else []
    )


def test_models_of_an_older_version_tell_of_no_incidents(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = modelled(tmp_path / "copy.duckdb", [invocation("a", timedelta(hours=1))])
    with copy.connect(read_only=False) as connection:
        connection.execute("drop table bedrock_analytics.incidents")
    status = read_status(copy, NOW, 1)
    print_status(status, all_scopes=False)
    line = "Failing?  Unknown: build the models with `models`."
    assert line in capsys.readouterr().out.splitlines()
    assert status.as_json()["incidents"] is None


def test_an_open_incident_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [invocation(f"usual{number}", timedelta(hours=3)) for number in range(50)]
    rows += [invocation(f"bad{number}", timedelta(minutes=30), 5, "Failed") for number in range(9)]
    status = read_status(modelled(tmp_path / "copy.duckdb", rows), NOW, 1)
    print_status(status, all_scopes=False)
    shown = capsys.readouterr().out.splitlines()
    at = shown.index("Failing?  Yes: 1 open incident. Next: see with `report` what failed.")
    assert shown[at + 1].startswith(f"  {REEL}: 9 of 9 failed since ")
    assert shown[at + 1].endswith(
        f"in {ACCOUNT}/{REGION}, 9 more than usual; unknown grew most, "
        f"for example arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke/bad0"
    )
    [incident] = status.as_json()["incidents"]
    assert (incident["model_id"], incident["failed"], incident["ended_at"]) == (REEL, 9, None)


@pytest.mark.parametrize("is_modelled", [True, False])
def test_the_scrub_has_as_many_runs_to_go_as_there_are_rows(
    is_modelled: bool, tmp_path: Path
) -> None:
    """By the models, or by the rows themselves where those are missing, or an older version's."""
    rows = [invocation(f"a{number}", timedelta(hours=1)) for number in range(2_001)]
    copy = modelled(tmp_path / "copy.duckdb", rows)
    with copy.connect(read_only=False) as connection:
        if is_modelled:  # They are what is asked.
            connection.execute("delete from bedrock.async_invokes")
        else:
            connection.execute("drop table bedrock_analytics.scope_days")
    [scope] = read_status(copy, NOW, 1).scopes
    assert scope["scrub_runs"] == 4


def test_models_that_are_behind_are_not_asked_how_many_rows_there_are(tmp_path: Path) -> None:
    copy = modelled(tmp_path / "copy.duckdb", [], [report(ago=timedelta(hours=1))])
    rows = [invocation(f"a{number}", timedelta(hours=1)) for number in range(2_001)]
    later = store(tmp_path / "later.duckdb", rows)
    with copy.connect(read_only=False) as connection:
        connection.execute(f"attach '{later.database}' as later")
        for table in ("async_invokes", "extract_runs"):
            connection.execute(f"insert into bedrock.{table} by name from later.bedrock.{table}")
    [scope] = read_status(copy, NOW, 1).scopes
    assert scope["scrub_runs"] == 4


@pytest.mark.slow
def test_models_older_than_the_last_run_are_told(listed: Control, database: Path) -> None:
    run(database)
    listed.advance(timedelta(hours=1))
    load(database)
    assert (
        "(the models are older than the last run: rebuild them with `models`)"
        in invoke("status", f"--database={database}").stdout
    )
    assert status_json(database)["stuck"]["are_models_behind"]


@pytest.mark.slow
def test_what_vanished_is_counted(listed: Control, database: Path) -> None:
    run(database)
    listed.faults(retention_seconds=24 * 3600)
    listed.advance(timedelta(minutes=1))
    before = status_json(database)
    run(database)
    shown = invoke("status", f"--database={database}").stdout
    assert ", 1 vanished" in shown
    assert re.search(r"^vanished .* after its submission at 2026-", shown, re.MULTILINE)
    after = status_json(database)
    for status in (before, after):
        assert status["stuck"]["open"] == sum(
            scope["open_invocations"] for scope in status["scopes"]
        )
    assert after["stuck"]["open"] < before["stuck"]["open"]
    assert after["stuck"]["worst"][0]["is_vanished"]
    assert not after["stuck"]["worst"][0]["is_stuck"]


def test_freshness_is_by_this_machines_clock_though_runs_are_dated_by_the_services(
    listed: Control, database: Path
) -> None:
    """The service's clock stands in 2026-03, this machine's elsewhere."""
    began = datetime.now(UTC)
    load(database)
    status = read_status(DuckDBDestination(database), datetime.now(UTC) + timedelta(hours=3))
    longest = (datetime.now(UTC) - began).total_seconds()
    assert [scope["last_success_at"].date() for scope in status.scopes] == [NOW.date()] * 2
    assert status.newest_age is not None
    assert 3 * 3600 <= status.newest_age <= 3 * 3600 + longest


def test_a_database_of_an_older_version_lacks_columns(listed: Control, database: Path) -> None:
    load(database)
    with duckdb.connect(database) as connection:
        for column in ("quarantined", "quarantine_reason", "open_invocations"):
            connection.execute(f"alter table bedrock.extract_runs drop column {column}")
    document = status_json(database)
    assert document["whole"] == {"scopes": 2, "failed": 0, "unread": 0, "quarantined": 0}
    found = {(scope["quarantined"], scope["open_invocations"]) for scope in document["scopes"]}
    assert found == {(0, 0)}


def test_a_database_without_runs_is_told(database: Path) -> None:
    with duckdb.connect(database):
        pass
    result = invoke("status", f"--database={database}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "has no runs yet: load it first with `run`." in result.stderr


WHOLE, START = (
    "`run` without --since and --until",
    "see why `run` is no longer started (cron, systemd, Airflow)",
)
NOTHING: Final = {"open": 0, "stuck": 0, "unknown": 0, "vanished": 0}


def scope(number: int, outcome: str = "ok") -> dict[str, Any]:
    return {
        "account_id": f"{number:012}",
        "region": REGION,
        "last_outcome": outcome,
        "last_success_at": NOW,
        "last_success_age_seconds": float(number),
        "submitted_through": NOW,
        "open_invocations": 0,
        "last_error": None if outcome == "ok" else "No.",
        "quarantined": 0,
        "quarantine_reason": None,
        "is_unread": False,
        "is_retired": False,
        "rows_healed": 0,
        "rows_late": 0,
        "late_seconds": None,
        "scrub_runs": 2,
        "scrub_seconds": None,
    }


@pytest.mark.parametrize("all_scopes", [False, True])
def test_of_very_many_scopes_those_that_failed_and_the_stalest_are_shown(
    capsys: pytest.CaptureFixture[str], all_scopes: bool
) -> None:
    scopes = [scope(number, "failed" if number == 7 else "ok") for number in range(1_000)]
    print_status(Status("lake", "/tmp", scopes, NOW, NOTHING, [], []), all_scopes=all_scopes)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Fresh?  Yes: all 1,000 scopes were loaded in the last 16 min 39 s."
    assert lines[1] == (
        f"Whole?  No: the last run of 1 of 1,000 scopes failed (000000000007/{REGION}). "
        "Next: fix the errors below, and `run`."
    )
    assert lines[3] == "Stuck?  No: 0 open, 0 stuck."
    shown = [line.split()[0] for line in lines if line.startswith("0000")]
    assert shown[0] == "000000000007"
    assert shown[1] == ("000000000000" if all_scopes else "000000000999")
    assert ("and 950 more scopes: `--all` shows them." in lines) == (not all_scopes)
    assert lines[-1] == f"000000000007/{REGION} failed: No."


@pytest.mark.parametrize(
    ("ages", "line"),
    [
        ([None, None], f"No: no run has read a whole scope yet. Next: {WHOLE}."),
        ([2.0], "Yes: the last successful run was 2 s ago."),
        ([93_600.0], "Yes: the last successful run was 1 d 2 h ago."),
        ([97_200.0], f"No: the last successful run was 1 d 3 h ago. Next: {START}."),
        (
            [None, 1.0, 2.0],
            f"No: 1 of 3 scopes never loaded (000000000000/{REGION}). Next: {WHOLE}.",
        ),
        (
            [None, 1.0, 93_700.0, 97_200.0],
            f"No: 1 of 4 scopes never loaded (000000000000/{REGION}); 2 of 4 scopes not loaded for "
            f"more than a day, the stalest, 000000000003/{REGION}, for 1 d 3 h. Next: {WHOLE}.",
        ),
        (
            [93_700.0, 97_200.0],
            "No: 2 of 2 scopes not loaded for more than a day, the stalest, "
            f"000000000001/{REGION}, for 1 d 3 h. Next: {START}.",
        ),
        ([], "No: no run has read a whole scope yet."),
    ],
)
def test_a_copy_is_fresh_where_each_scope_was_loaded_in_a_day(
    ages: list[float | None], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scopes = [
        scope(number) | {"last_success_at": age and NOW, "last_success_age_seconds": age}
        for number, age in enumerate(ages)
    ]
    status = Status("lake", "/tmp", scopes, NOW, NOTHING, [], [])
    print_status(status, all_scopes=False)
    assert capsys.readouterr().out.splitlines()[0] == f"Fresh?  {line}"
    assert status.is_fresh == line.startswith("Yes")


BAD: Final[dict[str, dict[str, Any]]] = {
    "good": {},
    "never loaded": {"scopes": [scope(1), scope(2) | {"last_success_at": None}]},
    "not for a day": {"scopes": [scope(97_200)]},
    "failed": {"scopes": [scope(1, "failed")]},
    "healed": {"scopes": [scope(1) | {"rows_healed": 1}]},
    "stuck": {"counts": NOTHING | {"stuck": 1}},
    "stalled": {"inconclusive": [{"is_stalled": True}]},
    "failing": {"incidents": [{}]},
    "not scrubbed": {"scopes": [scope(1) | {"scrub_runs": None}]},
    "unknown": {"counts": NOTHING | {"unknown": 1}},
    "old models": {"modelled_at": NOW - timedelta(hours=27)},
    "without models": {"modelled_at": None, "incidents": None, "counts": NOTHING | {"stuck": None}},
}


@pytest.mark.parametrize("state", BAD)
def test_an_answer_is_bad_where_it_is_known_to_be(state: str) -> None:
    given: dict[str, Any] = {"scopes": [scope(1)], "counts": NOTHING, "incidents": []}
    given |= {"modelled_at": NOW, "worst": [], "retired": []} | BAD[state]
    status = Status("lake", "/tmp", **given)
    is_unknown = state in ("not scrubbed", "unknown", "old models", "without models")
    assert status.is_good == (state == "good" or is_unknown)
    assert (None in status.as_json()["answers"].values()) == is_unknown


def test_a_strict_status_ends_with_2_where_an_answer_is_bad(
    listed: Control, database: Path
) -> None:
    listed.faults(ACCOUNT, REGION, access_denied=True)
    load(database)
    codes = [
        invoke("status", f"--database={database}", *flags).exit_code
        for flags in ([], ["--strict"], ["--strict", "--json"])
    ]
    assert codes == [0, 2, 2]


def test_the_longest_of_many_are_shown_and_the_others_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [invocation(f"stuck{number}", timedelta(hours=9), None) for number in range(178)]
    rows += [invocation(f"done{number}", timedelta(hours=2)) for number in range(30)]
    print_status(read_status(modelled(tmp_path / "copy.duckdb", rows), NOW, 1), all_scopes=False)
    lines = capsys.readouterr().out.splitlines()
    assert "Longest open for their model (5 of 178):" in lines
    assert "and 173 more in bedrock_analytics.open_invocations" in lines


def test_an_answer_has_the_colour_of_its_meaning_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    counts = NOTHING | {"stuck": 1}
    print_status(Status("lake", "/tmp", [scope(1)], NOW, counts, [], []), all_scopes=False)
    fresh, _, _, stuck, failing, *_ = capsys.readouterr().out.splitlines()
    green, red, yellow = "\x1b[1;32m", "\x1b[1;31m", "\x1b[1;33m"
    assert (green in fresh, red in stuck, yellow in failing) == (True, True, True)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "-"),
        (0.2, "0 s"),
        (59.6, "1 min"),
        (3_605, "1 h"),
        (5_400, "1 h 30 min"),
        (90_000, "1 d 1 h"),
        (107_800, "1 d 6 h"),
        (86_399, "1 d"),
        (86_400 * 1_234.0, "1,234 d"),
    ],
)
def test_an_age_is_told_in_two_units(seconds: float | None, told: str) -> None:
    assert format_duration(seconds) == told


@pytest.mark.slow
def test_what_was_healed_and_how_late_it_was_is_told(listed: Control, database: Path) -> None:
    run(database)
    submitted = listed.now() - timedelta(days=5)
    listed.submit(ACCOUNT, REGION, submit_time=submitted, duration=timedelta(minutes=1))
    assert "listed later than the lag allows for" in run(database).stderr
    lines = invoke("status", f"--database={database}").stdout.splitlines()
    assert lines[2].startswith(
        f"Exact?  No: 1 row had to be healed in a week, most in {ACCOUNT}/{REGION} (1); 1 of them "
        "listed late, up to 5 d after submission; every row is read again within "
    )
    assert lines[2].endswith(". Next: try a longer --lag.")
    exact = status_json(database)["exact"]
    assert (exact["rows_healed"], exact["rows_late"]) == (1, 1)
    assert exact["late_seconds"] >= 5 * 86_400


@pytest.mark.slow
def test_without_the_scrub_verify_tells(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__BEDROCK_ASYNC_INVOKES__SCRUB_CALLS", "0")
    run(database)
    lines = invoke("status", f"--database={database}").stdout.splitlines()
    assert lines[2] == (
        "Exact?  Unknown: nothing is read again (`scrub_calls` is 0); use `verify` to check."
    )
