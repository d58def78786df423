"""What a digest says changed, what it does not, and where it goes."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bedrock_async_etl.check.changes import Change
from bedrock_async_etl.check.digest import read_digest
from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from tests.bedrock_async_etl.copies import AS_OF, RAY, REEL, invocation, modelled, report, store
from tests.builds import build_models
from tests.conftest import NOTIFY
from tests.lakes import lake_of
from tests.webhooks import Webhook

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime.fromtimestamp(1_800_000_000).astimezone()
"""When the runs were loaded, by this machine's clock."""
ARN = "arn:aws:bedrock:us-east-1:111122223333:async-invoke"
LOOKED_AT = (
    "Looked at 240 invocations of 1 model in 1 scope, submitted from 2026-03-30 18:00:00 to "
    "2026-03-31 18:00:00 UTC, and at 240 of the 24 hours before. 1 of the models had enough in "
    "both to compare."
)


def hours(
    name: str, start: int, end: int, failed: int = 1, seconds: float = 60, **others: Any
) -> Iterator[dict[str, Any]]:
    """Ten invocations in each hour, so many hours ago; `failed` of every second hour's fail."""
    for hour in range(start, end):
        for number in range(10):
            is_failed = number < (failed if hour % 2 else failed - 1)
            age = hour * HOUR + timedelta(minutes=5 * number + 10)
            each = invocation(
                f"{name}{hour}x{number}",
                age,
                seconds + number,
                "Failed" if is_failed else "Completed",
                **others,
            )
            yield each | ({"failureMessage": "Internal server error."} if is_failed else {})


def changes(destination: Destination, period: Any = "1d", now: datetime = NOW) -> list[Change]:
    return list(read_digest(destination, period, now).changes)


def digest(database: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["digest", "--database", str(database), *arguments])


@pytest.fixture
def unchanged(database: Path) -> Path:
    """Loaded in the future of this machine's clock, and so fresh."""
    modelled(database, [*hours("a", 0, 24), *hours("b", 24, 48)])
    return database


@pytest.fixture
def worse(database: Path) -> Path:
    modelled(database, [*hours("a", 0, 24, failed=4), *hours("b", 24, 48)])
    return database


def test_nothing_changed_is_said_with_what_was_looked_at(unchanged: Path) -> None:
    result = digest(unchanged)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "bedrock-async-etl digest: nothing changed in the 24 hours to 2026-03-31 18:00:00 UTC in "
        f"duckdb:{unchanged}\n\n{LOOKED_AT}\n"
    )


def test_quiet_prints_nothing_when_nothing_changed(unchanged: Path) -> None:
    for form in ((), ("--json",), ("--format", "markdown")):
        result = digest(unchanged, "--quiet", *form)
        assert (result.exit_code, result.output) == (0, "")


def test_more_failures_are_told_with_why_where_how_sure_and_what_to_do(worse: Path) -> None:
    result = digest(worse, "--quiet")
    assert result.exit_code == 0
    risk = [each for each in result.stdout.split("\n\n") if "failure risk" in each]
    assert risk == [
        f"- The failure risk of {REEL} rose to 35 % (95 % interval 29.24 % to 41.23 %), "
        "84 of 240 failed; in the same time before it was 5 % (95 % interval 2.88 % to 8.53 %), "
        "12 of 240 failed. Most failed by "
        f"internal_error: 84 in 111122223333/us-east-1, for example {ARN}/a0x0.\n"
        "  How sure: Beyond chance: the 95 % intervals of the two do not overlap, and the z-score "
        "is 8.2 (chance seldom leaves -2.2 to 2.2).\n"
        "  Next: Submit again what is needed; if it goes on, give AWS support the example's ARN."
    ]
    assert result.stdout.rstrip().endswith(LOOKED_AT)


def test_fewer_failures_are_a_change_too(database: Path) -> None:
    destination = modelled(database, [*hours("a", 0, 24), *hours("b", 24, 48, failed=4)])
    [change] = [each for each in changes(destination) if each.kind == "failure_rate"]
    assert f"of {REEL} fell to 5 %" in change.what
    assert change.next_step == "Nothing: it got better."


def test_slower_invocations_are_told_with_the_longest(database: Path) -> None:
    slow = hours("a", 0, 24, failed=0, seconds=300)
    destination = modelled(database, [*slow, *hours("b", 24, 48, failed=0)])
    [change] = changes(destination)
    assert (change.kind, change.subject) == ("p95", REEL)
    assert change.what == (
        f"The p95 of {REEL} rose to 5 min 9 s (95 % interval 5 min 9 s to 5 min 9 s), 240 ended, "
        "0 open; in the same time before it was 1 min 9 s (95 % interval 1 min 9 s to 1 min 9 s), "
        "240 ended, 0 open. The longest took 5 min 9 s: "
        f"{ARN}/a0x9."
    )


@pytest.mark.slow
def test_a_week_is_compared_with_the_week_before(database: Path) -> None:
    given = [*hours("a", 0, 168, failed=3), *hours("b", 168, 336)]
    destination = modelled(database, given)
    week, day = changes(destination, "7d"), changes(destination, "1d")
    assert "failure_rate" in [each.kind for each in week]
    assert "failure_rate" not in [each.kind for each in day]


def test_what_a_few_tell_is_no_change(database: Path) -> None:
    few = [invocation(f"a{at}", at * HOUR, 60, "Failed") for at in range(1, 4)]
    before = [invocation(f"b{at}", at * HOUR) for at in range(25, 45)]
    destination = modelled(database, [*few, *before])
    assert [each.kind for each in changes(destination)] == ["incident", "reason"]
    assert read_digest(destination, "1d", NOW).compared == 0


def test_one_bad_day_is_an_incident_and_does_not_make_a_week_worse(database: Path) -> None:
    """Intervals by hours would not overlap: the test of the models knows of days."""
    bad = [*hours("a", 0, 72), *hours("bad", 72, 96, failed=6), *hours("c", 96, 168)]
    destination = modelled(database, [*bad, *hours("b", 168, 336)])
    assert {each.kind for each in changes(destination, "7d")} == {"incident"}


@pytest.mark.parametrize(
    ("start", "end", "state"),
    [
        (0, 3, "began"),
        (5, 8, "began and ended"),
        (22, 27, "ended"),
        (24, 28, "ended"),
        (40, 43, None),
    ],
)
def test_an_incident_is_told_while_it_lasts_and_when_it_ends(
    database: Path, start: int, end: int, state: str | None
) -> None:
    """One that ended in the last hour before the period could not be known to have ended."""
    given = [
        *hours("a", 0, start),
        *hours("bad", start, end, failed=10),
        *hours("c", end, 24 * 8),
    ]
    found = [each for each in changes(modelled(database, given)) if each.kind == "incident"]
    assert [each.evidence["state"] for each in found] == ([state] if state else [])
    for each in found:
        assert each.what.startswith(f"An incident of {REEL} {state}: ")
        assert " in 111122223333/us-east-1, " in each.what


def test_a_new_reason_is_told_once(database: Path) -> None:
    new = invocation("new", HOUR, 60, "Failed") | {"failureMessage": "Too many requests."}
    given = [new, *hours("a", 0, 24), *hours("b", 24, 48)]
    [change] = changes(modelled(database, given))
    assert (change.kind, change.certainty) == (
        "reason",
        "It is a fact: of 240 that ended in the 30 days before, none failed for it.",
    )
    assert change.what == (
        f"{REEL} fails for a new reason, capacity: 1 in 111122223333/us-east-1, for example "
        f"{ARN}/new. The first was submitted at 2026-03-31 17:00:00 UTC."
    )


def test_a_reason_that_was_seen_before_and_those_of_a_new_model_are_not_new(database: Path) -> None:
    again = [
        invocation(f"again{days}", days * DAY + HOUR, 60, "Failed")
        | {"failureMessage": "Too many requests."}
        for days in (0, 20)
    ]
    model = hours("new", 0, 20, model=RAY)
    given = [*again, *model, *hours("a", 0, 24), *hours("b", 24, 48)]
    assert changes(modelled(database, given)) == []


def test_what_became_stuck_is_told_and_what_was_is_counted(database: Path) -> None:
    given = [*hours("a", 0, 24, 0), *hours("b", 24, 48, 0)]
    ages = {"old": 2 * DAY, "since": DAY + timedelta(minutes=1), "new": 2 * HOUR}
    still_open = [invocation(name, age, None) for name, age in ages.items()]
    [change] = changes(modelled(database, [*given, *still_open]))
    assert change.what == (
        f"2 invocations of {REEL} became stuck, the oldest open for 1 d in "
        f"111122223333/us-east-1: {ARN}/since. Stuck before: 1."
    )
    assert change.certainty == "99 % finish within 1 min 9 s; three times that is called stuck."


def test_what_was_stuck_before_is_no_change(database: Path) -> None:
    given = [*hours("a", 0, 24, 0), *hours("b", 24, 48, 0), invocation("old", 2 * DAY, None)]
    assert changes(modelled(database, given)) == []


def test_a_model_of_which_nothing_ends_is_told(database: Path) -> None:
    given = [invocation(f"open{number}", 2 * DAY, None, model=RAY) for number in range(5)]
    [change] = changes(modelled(database, given))
    assert (change.kind, change.what) == ("stuck", f"Nothing of {RAY} ends: 5 are open.")


@pytest.mark.slow
def test_scopes_that_fail_or_are_stale_are_told(database: Path) -> None:
    runs = [
        report(),
        report(ago=3 * HOUR, region="eu-west-1"),
        report("failed", region="eu-west-1", error="AccessDeniedException: No."),
        report(ago=30 * HOUR, region="eu-west-2"),
    ]
    destination = modelled(database, [*hours("a", 0, 24), *hours("b", 24, 48)], runs)
    found = changes(destination)
    assert [(each.kind, each.what, each.next_step) for each in found] == [
        (
            "scope",
            "111122223333/eu-west-1: the last successful run was 3 h ago; at most 1 d 2 h; the "
            "last run failed: AccessDeniedException: No. What was submitted since is missing here.",
            "Fix the error, and `run`.",
        ),
        (
            "scope",
            "111122223333/eu-west-2: the last successful run was 1 d 6 h ago, at "
            "2027-01-14 02:00:00 UTC; at most 1 d 2 h; it "
            "is no longer read. What was submitted since is missing here.",
            "Name its account and region to `run` again, or let it be retired after a week.",
        ),
    ]
    late = changes(destination, now=NOW + 3 * DAY)
    assert [(each.subject, each.next_step) for each in late[-2:]] == [
        (
            "111122223333/us-east-1",
            "See why `run` is no longer started (cron, systemd, Airflow).",
        ),
        ("the models", "Rebuild them with `models`."),
    ]


def test_failing_from_the_start_is_told(database: Path) -> None:
    failed = [report("failed", error="AccessDeniedException: No.")]
    found = read_digest(modelled(database, [], failed), "1d", NOW)
    assert [each.kind for each in found.changes] == ["scope"]
    assert found.looked_at == "No run has succeeded yet, so nothing could be looked at."


@pytest.mark.slow
def test_a_lake_has_the_same_digest(worse: Path, tmp_path: Path) -> None:
    lake = lake_of(worse, tmp_path / "lake", "parquet")
    build_models(lake)
    assert changes(lake) == changes(DuckDBDestination(worse))


def test_json_is_one_document(worse: Path) -> None:
    document = json.loads(digest(worse, "--json").stdout)
    assert [each["kind"] for each in document.pop("changes")] == ["incident", "failure_rate"]
    assert document == {
        "destination": f"duckdb:{worse}",
        "period": "1d",
        "since": "2026-03-30T18:00:00+00:00",
        "until": AS_OF.isoformat(),
        "scopes": 1,
        "invocations": 240,
        "models": 1,
        "invocations_before": 240,
        "compared": 1,
        "notified": None,
        "exit_code": 0,
    }


def test_markdown_shows_names_as_they_are(database: Path) -> None:
    model = "a_b*c<d>`e`"
    modelled(
        database,
        [*hours("a", 0, 24, failed=5, model=model), *hours("b", 24, 48, model=model)],
    )
    text = digest(database, "--format", "markdown").stdout
    assert text.startswith("## bedrock-async-etl digest: ")
    assert "of a\\_b\\*c\\<d\\>\\`e\\` rose to 45 %" in text


def test_no_failure_message_is_in_a_digest(worse: Path) -> None:
    for form in ("--format=text", "--format=markdown", "--json"):
        assert "Internal server error" not in digest(worse, form).output


def test_the_period_can_be_configured(unchanged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__DIGEST__PERIOD", "7d")
    assert "in the 7 days to" in digest(unchanged).stdout
    assert "in the 24 hours to" in digest(unchanged, "--period", "1d").stdout
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__DIGEST__PERIOD", "2d")
    wrong = digest(unchanged)
    assert (wrong.exit_code, wrong.stderr) == (2, "Error: period is one of 1d, 7d, not '2d'.\n")


def test_two_formats_are_wrong_usage(unchanged: Path) -> None:
    assert digest(unchanged, "--json", "--format", "markdown").exit_code == 2


def test_what_cannot_be_read_is_exit_code_1(database: Path) -> None:
    missing = digest(database)
    assert (missing.exit_code, "load it first with `run`" in missing.stderr) == (1, True)
    store(database, [])
    without = digest(database)
    assert (without.exit_code, "build them with `models`" in without.stderr) == (1, True)


@NOTIFY
def test_a_digest_is_posted(worse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Webhook() as webhook:
        monkeypatch.setenv("BEDROCK_ASYNC_ETL__DIGEST__NOTIFY", webhook.notify_url)
        document = json.loads(digest(worse, "--json").stdout)
    [posted] = webhook.posted
    assert (document["notified"], posted["type"]) == (True, "warning")
    assert (
        f"{posted['title']}\n\n{posted['message']}\n" == digest(worse, "--notify=syslog://").stdout
    )


@NOTIFY
def test_nothing_is_posted_quietly_when_nothing_changed(unchanged: Path) -> None:
    with Webhook() as webhook:
        digest(unchanged, "--quiet", "--notify", webhook.notify_url)
        assert webhook.posted == []
        digest(unchanged, "--notify", webhook.notify_url)
    [posted] = webhook.posted
    assert (posted["type"], posted["message"]) == ("info", LOOKED_AT)


@NOTIFY
def test_a_digest_that_nobody_gets_is_exit_code_1(worse: Path) -> None:
    with Webhook(500) as webhook:
        result = digest(worse, "--notify", webhook.notify_url)
    assert result.exit_code == 1
    assert result.stderr == "Notification 1 of 1 (JSON) failed: it answered with 500.\n"
