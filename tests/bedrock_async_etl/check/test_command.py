"""`check` on the command line: what is printed where, posted, and with which exit code."""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bedrock_async_etl.check.verdict import Finding, Verdict
from bedrock_async_etl.cli import app
from tests.bedrock_async_etl.copies import REEL, invocation, modelled, report, store
from tests.conftest import NOTIFY
from tests.webhooks import PATH, Webhook

HOUR = timedelta(hours=1)
GIVEN = [invocation(f"a{number}", HOUR) for number in range(40)] + [
    invocation(f"b{number}", HOUR, 500, "Failed") for number in range(20)
]
FAILING = ("--max-failure-rate", "10%")
BREACH = (
    "failure rate of amazon.nova-reel-v1:1: 33.33 % (95 % interval 22.73 % to 45.94 %), 20 of 60 "
    "failed; at most 10 %; submitted since 2026-03-30 18:00:00 UTC, most failures in "
    "111122223333/us-east-1 (20). Next: see with `report` what the reasons are and when they began."
)


@pytest.fixture
def copy(database: Path) -> Path:
    modelled(database, GIVEN)
    return database


def check(database: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["check", "--database", str(database), *arguments])


def check_json(database: Path, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(check(database, "--json", *arguments).stdout)
    return document


def test_all_well_says_what_was_checked(copy: Path) -> None:
    result = check(copy, "--max-failure-rate", "50%", "--max-p95", "500")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [" ".join(line.split()) for line in result.stdout.splitlines()] == [
        "checked of found",
        f"failure rate {REEL} ok 33.33 % (95 % interval 22.73 % to 45.94 %), 20 of 60 failed; "
        "at most 50 %",
        f"p95 {REEL} ok 8 min 20 s (95 % interval 8 min 20 s or more), 60 ended, 0 open; "
        "at most 8 min 20 s",
        "All is well: 2 checked; the window is 2026-03-30 18:00:00 UTC to 2026-03-31 18:00:00 UTC.",
    ]


def test_each_breach_is_a_line_on_stderr_and_exit_code_2(copy: Path) -> None:
    result = check(copy, *FAILING, "--max-p95", f"{REEL}=8m")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        f"Breach: {BREACH}",
        f"Breach: p95 of {REEL}: 8 min 20 s (95 % interval 8 min 20 s or more), 60 ended, 0 open; "
        "at most 8 min; submitted since 2026-03-30 18:00:00 UTC, most slow ones in "
        "111122223333/us-east-1 (20). Next: compare how many were in flight with the model's quota "
        "(`report --quota`).",
    ]
    assert "All is well" not in result.stdout


def test_json_is_one_document(copy: Path) -> None:
    result = check(copy, "--json", *FAILING)
    document = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (2, f"Breach: {BREACH}\n")
    [breach] = document["breaches"]
    assert document == {
        "exit_code": 2,
        "since": "2026-03-30T18:00:00+00:00",
        "until": "2026-03-31T18:00:00+00:00",
        "breaches": [breach],
        "checked": [breach],
        "notified": None,
    }
    low, high = breach.pop("low"), breach.pop("high")
    assert (round(low, 4), round(high, 4)) == (0.2273, 0.4594)
    assert breach == {
        "rule": "failure_rate",
        "subject": REEL,
        "outcome": "breach",
        "value": 20 / 60,
        "threshold": 0.1,
        "sample_size": 60,
        "failed": 20,
        "terminal": 60,
        "still_open": 0,
        "text": BREACH.partition(": ")[2],
    }


def test_strict_counts_what_is_too_small_a_sample(copy: Path) -> None:
    doubtful = ("--max-failure-rate", "30%")
    careful = check(copy, *doubtful)
    assert careful.exit_code == 0
    assert "above the threshold, but the interval reaches below it" in careful.stdout
    assert "0 checked, 1 could not be checked" in careful.stdout
    assert check(copy, *doubtful, "--strict").exit_code == 2


def test_nothing_in_the_window_is_exit_code_2_unless_allowed(database: Path) -> None:
    modelled(database, [invocation("old", 48 * HOUR)])
    empty = check(database, *FAILING)
    assert empty.exit_code == 2
    assert "the newest was submitted at 2026-03-29 18:00:00 UTC" in empty.stderr
    assert check(database, *FAILING, "--allow-empty").exit_code == 0
    assert check(database, *FAILING, "--window", "3d", "--json").exit_code == 0


def test_a_copy_that_is_not_loaded_any_more_is_exit_code_2(database: Path) -> None:
    store(database, [], [report(ago=timedelta(days=3_650))])
    stale = check(database, "--max-lag", "30d")
    assert (stale.exit_code, len(stale.stderr.splitlines())) == (2, 1)
    assert "Breach: lag of 111122223333/us-east-1: the last successful run was " in stale.stderr
    fresh = check(database, "--max-lag", "36500d")
    assert (fresh.exit_code, fresh.stderr) == (0, "")
    assert "All is well: 1 checked." in fresh.stdout


def test_a_scope_that_was_never_read_is_exit_code_2(database: Path) -> None:
    store(database, [], [report("failed", error="AccessDeniedException: No.")])
    result = check(database, "--max-lag", "1d")
    assert (result.exit_code, result.stderr) == (
        2,
        "Breach: lag of 111122223333/us-east-1: never succeeded; the last run failed: "
        "AccessDeniedException: No. Next: fix the error, and `run`.\n",
    )


def test_what_cannot_be_checked_is_exit_code_1(database: Path) -> None:
    missing = check(database, *FAILING)
    assert (missing.exit_code, "load it first with `run`" in missing.stderr) == (1, True)
    store(database, GIVEN)
    without = check(database, *FAILING)
    assert (without.exit_code, "build them with `models`" in without.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [(), ("--max-p95", "soon")],
)
def test_wrong_usage_is_exit_code_2_in_one_line(copy: Path, arguments: tuple[str, ...]) -> None:
    result = check(copy, *arguments)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)


@NOTIFY
def test_the_breaches_are_posted_to_each_service(copy: Path) -> None:
    with Webhook() as one, Webhook() as other:
        urls = ("--notify", one.notify_url, "--notify", other.notify_url)
        document = check_json(copy, *FAILING, *urls)
    assert (document["exit_code"], document["notified"]) == (2, True)
    title = f"bedrock-async-etl check: 1 breach in duckdb:{copy}"
    [posted] = one.posted
    assert (posted["title"], posted["message"], posted["type"]) == (title, f"- {BREACH}", "failure")
    assert other.posted == [posted]


@NOTIFY
def test_nothing_is_posted_when_all_is_well(copy: Path) -> None:
    with Webhook() as webhook:
        document = check_json(copy, "--max-p95", "1h", "--notify", webhook.notify_url)
    assert (document["exit_code"], document["notified"], webhook.posted) == (0, None, [])


@NOTIFY
def test_a_notification_that_fails_never_hides_the_result(copy: Path) -> None:
    with Webhook(500) as webhook:
        result = check(copy, *FAILING, "--json", "--debug", "--notify", webhook.notify_url)
    assert result.stderr.splitlines() == [
        f"Breach: {BREACH}",
        "Notification 1 of 1 (JSON) failed: it answered with 500.",
    ]
    document = json.loads(result.stdout)
    assert (result.exit_code, document["exit_code"], document["notified"]) == (2, 2, False)
    refused = check(copy, *FAILING, "--notify", webhook.notify_url)
    assert refused.exit_code == 2
    assert PATH not in refused.output + result.output


@NOTIFY
def test_a_wrong_url_is_exit_code_2_and_not_shown(copy: Path) -> None:
    result = check(copy, *FAILING, "--notify", f"json://example.com{PATH}")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert PATH not in result.output


@NOTIFY
@pytest.mark.parametrize("form", ["{}", '["{}"]'])
def test_urls_can_be_secrets_of_the_environment(
    copy: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    with Webhook() as webhook:
        url = form.format(webhook.notify_url)
        monkeypatch.setenv("BEDROCK_ASYNC_ETL__CHECK__NOTIFY", url)
        assert check(copy, *FAILING).exit_code == 2
    assert len(webhook.posted) == 1


def test_without_the_extra_it_is_named(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    result = check(copy, *FAILING, "--notify", "json://localhost")
    assert result.exit_code == 1
    assert "install bedrock-async-etl[notify]" in result.stderr
    assert check(copy, *FAILING).exit_code == 2


def test_a_message_of_many_breaches_is_cut_short() -> None:
    breaches = [Finding("lag", f"scope {number}", "breach", "late") for number in range(1_000)]
    message = Verdict(breaches).message("lake")
    assert message.title == "bedrock-async-etl check: 1,000 breaches in lake"
    lines = message.body.splitlines()
    assert (len(lines), lines[0], lines[-1]) == (21, "- lag of scope 0: late", "and 980 more")


def test_many_scopes_that_are_well_are_counted(database: Path) -> None:
    store(database, [], [report(region=f"region-{number}") for number in range(1_000)])
    lines = check(database, "--max-lag", "36500d").stdout.splitlines()
    assert len(lines) == 23
    assert [" ".join(line.split()) for line in lines[-2:]] == [
        "lag 980 more ok",
        "All is well: 1,000 checked.",
    ]
