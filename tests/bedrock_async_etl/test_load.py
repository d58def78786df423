"""What a run promises of the database it loads."""

import json
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dlt.load.load import Load

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.load import RunResult, load
from bedrock_async_invokes.pages import MEMBERS
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy, query


def run(database: Path, **options: object) -> RunResult:
    return load(DuckDBDestination(database), options, slice_rows=2_500)


def populate(bedrock: Control, count: int, region: str = REGION, seed: int = 0) -> None:
    start, end = NOW - timedelta(days=10), NOW + timedelta(days=1)
    bedrock.populate(ACCOUNT, region, count, start, end, seed)


def test_a_first_run_copies_everything(bedrock: Control, database: Path) -> None:
    populate(bedrock, 6_000)
    result = run(database)
    assert_exact_copy(database, bedrock)
    assert result.exit_code == 0
    assert result.rows_loaded == len(bedrock.listing(ACCOUNT, REGION))


def test_a_load_leaves_the_handlers_of_signals_alone(
    bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs it, Airflow for instance, is told of a signal at once."""
    complete, during = Load.complete_package, []

    def look(*arguments: Any, **named: Any) -> None:
        during.append([signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)])
        complete(*arguments, **named)

    monkeypatch.setattr(Load, "complete_package", look)
    run(database)
    assert during == [[signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]]


@pytest.mark.slow
def test_a_run_after_time_has_passed_writes_what_is_new_or_changed(
    bedrock: Control, database: Path
) -> None:
    populate(bedrock, 4_000)
    run(database)
    before = {row["invocationArn"]: row for row in bedrock.listing(ACCOUNT, REGION)}
    bedrock.advance(timedelta(hours=5))
    after = {row["invocationArn"]: row for row in bedrock.listing(ACCOUNT, REGION)}
    result = run(database)
    assert_exact_copy(database, bedrock)
    assert result.scopes[0].rows_new == len(after.keys() - before.keys())
    assert result.scopes[0].rows_changed == sum(after[arn] != row for arn, row in before.items())
    assert result.scopes[0].rows_changed > 0


def test_a_run_when_nothing_changed_writes_nothing(bedrock: Control, database: Path) -> None:
    populate(bedrock, 3_000)
    run(database)
    observed = query(database, "select max(observed_at), count(*) from bedrock.async_invokes")
    assert run(database).rows_loaded == 0
    assert (
        query(database, "select max(observed_at), count(*) from bedrock.async_invokes") == observed
    )


@pytest.mark.slow
def test_an_increment_costs_few_calls(bedrock: Control, database: Path) -> None:
    """500 new rows, 20 recent open invocations and 3 old stragglers: at most 6 calls."""
    start, end = NOW - timedelta(days=60), NOW - timedelta(days=20)
    bedrock.populate(ACCOUNT, REGION, 20_000, start, end, never_ending_rate=0)
    for days in (50, 40, 30):
        bedrock.submit(ACCOUNT, REGION, submit_time=NOW - timedelta(days=days))
    for minutes in range(20):
        submit_time = NOW - timedelta(minutes=minutes)
        bedrock.submit(ACCOUNT, REGION, submit_time=submit_time, duration=timedelta(hours=2))
    run(database)
    for second in range(500):
        submit_time = NOW + timedelta(seconds=second)
        bedrock.submit(ACCOUNT, REGION, submit_time=submit_time, duration=timedelta(minutes=1))
    bedrock.advance(timedelta(minutes=10))
    bedrock.reset_calls()
    result = run(database)
    assert_exact_copy(database, bedrock)
    assert result.rows_loaded >= 500
    calls = bedrock.calls()[ACCOUNT, REGION]["list_calls"]
    assert result.scopes[0].calls == calls
    assert calls <= 6


@pytest.mark.slow
def test_ten_thousand_open_invocations_are_followed(bedrock: Control, database: Path) -> None:
    start = NOW - timedelta(days=10)
    bedrock.populate(ACCOUNT, REGION, 10_000, start, NOW, never_ending_rate=1)
    assert run(database).scopes[0].open_invocations == 10_000
    result = run(database)
    assert_exact_copy(database, bedrock)
    assert result.rows_loaded == 0
    assert result.scopes[0].open_invocations == 10_000
    assert result.scopes[0].calls <= 13


@pytest.mark.slow
def test_an_open_invocation_that_is_listed_no_more_has_vanished(
    bedrock: Control, database: Path
) -> None:
    populate(bedrock, 500)
    arn = bedrock.submit(ACCOUNT, REGION, submit_time=NOW - timedelta(days=30))
    run(database)
    bedrock.faults(ACCOUNT, REGION, retention_seconds=20 * 86_400)
    result = run(database)
    assert result.scopes[0].vanished == 1
    assert query(database, "select invocation_arn from bedrock.vanished_invokes") == [(arn,)]
    kept = f"select status from bedrock.async_invokes where invocation_arn = '{arn}'"
    assert query(database, kept) == [("InProgress",)]
    assert run(database).scopes[0].vanished == 0
    for _ in range(3):
        bedrock.advance(timedelta(minutes=5))
        assert run(database).scopes[0].calls <= 2
    bedrock.faults(ACCOUNT, REGION)
    listed = bedrock.listing(ACCOUNT, REGION)
    is_open = [summary["status"] == "InProgress" for summary in listed]
    assert run(database).scopes[0].open_invocations == sum(is_open)
    assert_exact_copy(database, bedrock)


@pytest.mark.slow
def test_a_failed_scope_leaves_the_others_alone_and_catches_up(
    bedrock: Control, database: Path
) -> None:
    regions = ("us-east-1", "us-west-2", "eu-west-1")
    for region in regions:
        populate(bedrock, 1_000, region)
    run(database, regions=regions)
    bedrock.advance(timedelta(hours=5))
    bedrock.faults(ACCOUNT, "us-west-2", access_denied=True)
    result = run(database, regions=regions)
    assert result.exit_code == 3
    assert [scope.outcome for scope in result.scopes] == ["ok", "failed", "ok"]
    assert [scope.settled_through is None for scope in result.scopes] == [False, True, False]
    assert "AccessDeniedException" in str(result.scopes[1].error)
    bedrock.clear_faults()
    assert run(database, regions=regions).exit_code == 0
    assert_exact_copy(database, bedrock)


def test_when_no_scope_can_be_read_the_run_has_failed(bedrock: Control, database: Path) -> None:
    bedrock.faults(access_denied=True)
    assert run(database).exit_code == 1


def test_a_role_adds_its_account(bedrock: Control, database: Path) -> None:
    populate(bedrock, 300)
    bedrock.populate("444455556666", REGION, 300, NOW - timedelta(days=1), NOW, 5)
    result = run(database, role_arns=["arn:aws:iam::444455556666:role/reader"])
    assert [scope.account_id for scope in result.scopes] == [ACCOUNT, "444455556666"]
    assert_exact_copy(database, bedrock)


def test_a_role_in_an_account_that_is_read_takes_its_place(
    bedrock: Control, database: Path
) -> None:
    populate(bedrock, 300)
    roles = [f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("reader", "other")]
    result = run(database, role_arns=roles)
    assert [scope.account_id for scope in result.scopes] == [ACCOUNT]
    assert_exact_copy(database, bedrock)


@pytest.mark.parametrize("fault", ["refuse", "misdirect"])
def test_a_role_that_is_refused_or_leads_elsewhere_loads_nothing(
    bedrock: Control, database: Path, fault: str
) -> None:
    role = "arn:aws:iam::444455556666:role/reader"
    populate(bedrock, 300)
    bedrock.populate("777788889999", REGION, 300, NOW - timedelta(days=1), NOW, 5)
    if fault == "refuse":
        bedrock.refuse_role(role)
    else:
        bedrock.misdirect_role(role, "777788889999")
    result = run(database, role_arns=[role])
    assert result.exit_code == 3
    assert role in str(result.scopes[1].error)
    accounts = query(database, "select distinct account_id from bedrock.async_invokes")
    assert accounts == [(ACCOUNT,)]


@pytest.mark.parametrize("faults", [{}, {"cut_body_rate": 0.5}, {"empty_page_rate": 0.5}], ids=str)
def test_without_sts_the_listing_tells_the_account(
    bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch, faults: dict[str, Any]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    bedrock.faults(**faults)
    populate(bedrock, 300)
    assert [scope.account_id for scope in run(database).scopes] == [ACCOUNT]
    assert run(database).rows_loaded == 0
    assert_exact_copy(database, bedrock)


@pytest.mark.slow
def test_a_range_is_read_again_without_moving_progress(bedrock: Control, database: Path) -> None:
    populate(bedrock, 3_000)
    through = run(database).scopes[0].submitted_through
    past = {"since": NOW - timedelta(days=5), "until": NOW - timedelta(days=2)}
    result = run(database, **past)
    assert result.scopes[0].rows_read > 100
    assert result.rows_loaded == 0
    assert result.scopes[0].submitted_through == through
    assert run(database).rows_loaded == 0


def test_a_range_first_leaves_the_rest_to_the_next_run(bedrock: Control, database: Path) -> None:
    populate(bedrock, 3_000)
    past = {"since": NOW - timedelta(days=5), "until": NOW - timedelta(days=2)}
    result = run(database, **past)
    assert result.rows_loaded > 100
    assert result.scopes[0].submitted_through is None
    rest = run(database)
    assert_exact_copy(database, bedrock)
    listed = len(bedrock.listing(ACCOUNT, REGION))
    assert rest.rows_loaded == listed - result.rows_loaded


def test_a_range_mends_rows_that_were_lost(bedrock: Control, database: Path) -> None:
    populate(bedrock, 3_000)
    run(database)
    with duckdb.connect(database) as connection:
        connection.execute("delete from bedrock.async_invokes where submit_time < '2026-03-25'")
    run(database, since=NOW - timedelta(days=30), until=NOW - timedelta(days=1))
    assert_exact_copy(database, bedrock)


@pytest.mark.slow
def test_a_range_within_the_lag_does_not_leave_late_rows_behind(
    bedrock: Control, database: Path
) -> None:
    populate(bedrock, 2_000)
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW)
    run(database)
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW - timedelta(seconds=200))
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW + timedelta(hours=1))
    bedrock.advance(timedelta(hours=2))
    run(database, since=NOW - timedelta(seconds=100))
    run(database)
    assert_exact_copy(database, bedrock)
    assert run(database).rows_loaded == 0


@pytest.mark.slow
def test_an_open_invocation_that_a_range_found_costs_one_call(
    bedrock: Control, database: Path
) -> None:
    start, end = NOW - timedelta(days=60), NOW - timedelta(days=20)
    bedrock.populate(ACCOUNT, REGION, 10_000, start, end, never_ending_rate=0)
    run(database)
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW - timedelta(days=50))
    run(database, since=NOW - timedelta(days=51), until=NOW - timedelta(days=49))
    result = run(database, scrub_calls=0)
    assert_exact_copy(database, bedrock)
    assert (result.scopes[0].calls, result.scopes[0].open_invocations) == (2, 1)
    assert result.scopes[0].rows_read < 20


def test_a_burst_after_a_quiet_time_costs_few_calls(bedrock: Control, database: Path) -> None:
    run(database)
    start = NOW - timedelta(hours=13)
    bedrock.populate(ACCOUNT, REGION, 500, start, start + timedelta(hours=12), 1)
    burst = NOW - timedelta(minutes=1)
    bedrock.populate(ACCOUNT, REGION, 1_500, burst, burst + timedelta(seconds=1), 2)
    result = run(database)
    assert_exact_copy(database, bedrock)
    assert result.scopes[0].calls <= 4


def test_a_longer_lag_rewrites_nothing(bedrock: Control, database: Path) -> None:
    populate(bedrock, 3_000)
    run(database)
    assert run(database, lag_seconds=3 * 86_400).rows_loaded == 0


def test_members_that_no_contract_knows_are_kept(bedrock: Control, database: Path) -> None:
    bedrock.faults(unknown_members=True)
    populate(bedrock, 200)
    run(database)
    extras = query(database, "select invocation_arn, extra from bedrock.async_invokes")
    assert {arn: json.loads(extra) for arn, extra in extras} == {
        summary["invocationArn"]: unknown_members(summary)
        for summary in bedrock.listing(ACCOUNT, REGION)
    }


def unknown_members(summary: dict[str, Any]) -> dict[str, Any]:
    output = dict(summary["outputDataConfig"])
    s3 = output.pop("s3OutputDataConfig")
    known = {"s3Uri", "kmsKeyId", "bucketOwner"}
    output["s3OutputDataConfig"] = {key: s3[key] for key in s3.keys() - known}
    rest = summary.keys() - MEMBERS
    return {"outputDataConfig": output, **{key: summary[key] for key in rest}}


def test_odd_invocations_are_loaded_as_they_are(bedrock: Control, database: Path) -> None:
    message = "\x07\x1b[31mbad\n" + "😀" * 1_000 + "é" * 1_030
    model_arn = f"arn:aws:bedrock:{REGION}::foundation-model/amazon.nova-reel-v1:1"
    odd = [
        {"invocationArn": arn(1), "modelArn": model_arn, "submitTime": "2026-03-30T00:00:00Z"},
        {
            "invocationArn": arn(2),
            "modelArn": model_arn,
            "status": "Queued",
            "submitTime": "2026-03-30T00:00:01Z",
        },
        {"invocationArn": arn(3), "modelArn": model_arn, "status": "Completed"},
        {
            "invocationArn": "not an ARN",
            "modelArn": "neither",
            "status": "Failed",
            "failureMessage": message,
            "submitTime": "2026-03-30T00:00:02.123456Z",
        },
    ]
    for summary in odd:
        bedrock.put_raw(ACCOUNT, REGION, NOW - timedelta(days=1), summary)
    populate(bedrock, 100)
    run(database)
    columns = "invocation_arn, account_id, status, failure_message, submit_time::text"
    assert query(
        database,
        f"select {columns} from bedrock.async_invokes where client_request_token is null and "
        "output_s3_uri is null order by all",
    ) == [
        (arn(1), ACCOUNT, None, None, "2026-03-30 00:00:00+00"),
        (arn(2), ACCOUNT, "Queued", None, "2026-03-30 00:00:01+00"),
        (arn(3), ACCOUNT, "Completed", None, None),
        ("not an ARN", ACCOUNT, "Failed", message, "2026-03-30 00:00:02.123456+00"),
    ]
    assert run(database).rows_loaded == 0


@pytest.mark.slow
def test_text_that_is_to_be_redacted_is_rewritten_when_its_range_is_read_again(
    bedrock: Control, database: Path
) -> None:
    summary = {
        "invocationArn": arn(1),
        "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-reel-v1:1",
        "status": "Completed",
        "submitTime": "2026-03-30T12:00:00Z",
        "newReason": {"text": "Jane Doe", "code": 5},
    }
    bedrock.put_raw(ACCOUNT, REGION, NOW - timedelta(days=1), summary)
    populate(bedrock, 100)
    since = {"since": NOW - timedelta(days=2), "until": NOW - timedelta(hours=6)}
    extra = "select extra from bedrock.async_invokes where extra is not null"
    run(database)
    assert run(database, **since).rows_loaded == 0
    assert query(database, extra) == [('{"newReason":{"code":5,"text":"Jane Doe"}}',)]
    assert run(database, failure_message="redact", **since).rows_loaded > 0
    redacted = '{"newReason":{"code":5,"text":"redacted:01332c876518a793"}}'
    assert query(database, extra) == [(redacted,)]
    assert run(database, failure_message="redact", **since).rows_loaded == 0
    assert run(database, failure_message="drop", **since).rows_loaded > 0
    assert query(database, extra) == [('{"newReason":{"code":5,"text":null}}',)]


def arn(number: int) -> str:
    return f"arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke/{number:012d}"
