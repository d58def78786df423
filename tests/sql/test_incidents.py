"""Which failures are an incident, and what is said of it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_invokes.columns import EXTRACT_RUNS, VANISHED_INVOKES
from bedrock_async_invokes.pages import page_of
from bedrock_async_invokes.records import to_table
from tests.builds import build_only
from tests.sql.given import good_run, store, summary

MODEL = "amazon.nova-reel-v1:1"
BAD_DAY = datetime(2026, 3, 12, tzinfo=UTC)
ACCOUNTS = [f"1111222233{number:02}" for number in range(20)]
HOUR = timedelta(hours=1)


class Hour(NamedTuple):
    """What was submitted in an hour of a scope: how many failed of how many."""

    start: datetime
    failed: int
    submitted: int = 15
    region: str = "us-east-1"
    account: str = ACCOUNTS[0]
    model: str = MODEL
    still_open: int = 0
    message: str = "Internal server error."


def hours(start: int, end: int, failed: int, submitted: int = 15, **others: Any) -> list[Hour]:
    """Hours alike, from one hour of the bad day to another; negative ones are of days before."""
    return [Hour(BAD_DAY + HOUR * at, failed, submitted, **others) for at in range(start, end)]


def usual(start: int = -168, end: int = 0, **others: Any) -> list[Hour]:
    """Of 15 an hour one fails every fifth hour."""
    return [
        hour for at in range(start, end) for hour in hours(at, at + 1, int(at % 5 == 0), **others)
    ]


class Found(NamedTuple):
    """An incident, with its hours as those of the bad day."""

    started: int
    ended: int | None
    scopes: int
    accounts: int
    failed: int
    terminal: int
    category: str
    model: str = MODEL


def incidents(folder: Path, given: Iterable[Hour], as_of: datetime | None = None) -> list[Found]:
    given = list(given)
    database = folder / "given.duckdb"
    as_of = as_of or max(hour.start for hour in given) + timedelta(hours=3)
    summaries = [each for number, hour in enumerate(given) for each in submitted(hour, number)]
    scopes = sorted({(hour.account, hour.region) for hour in given})
    store(
        database,
        async_invokes=to_table(page_of(summaries), as_of),
        extract_runs=pa.Table.from_pylist(
            [good_run(*scope, as_of) for scope in scopes], EXTRACT_RUNS.schema
        ),
        vanished_invokes=VANISHED_INVOKES.schema.empty_table(),
    )
    destination = DuckDBDestination(database)
    build_only(destination, "incidents")
    with destination.connection() as connection:
        rows = connection.sql(
            "select started_at, ended_at, scopes, accounts, failed, terminal, failure_category, "
            "model_id from bedrock_analytics.incidents order by started_at, model_id"
        ).fetchall()
    return [Found(hour_of(start), hour_of(end), *others) for start, end, *others in rows]


def hour_of(time: datetime | None) -> Any:
    return (time - BAD_DAY) / HOUR if time else None


def submitted(hour: Hour, number: int) -> Iterable[dict[str, Any]]:
    for at in range(hour.submitted):
        is_failed, is_open = at < hour.failed, at >= hour.submitted - hour.still_open
        start = f"{hour.start + timedelta(minutes=1):%m-%d %H:%M:%S}"
        line = {
            "account": hour.account,
            "region": hour.region,
            "model": hour.model,
            "id": f"i{number}x",
            "status": "Failed" if is_failed else "InProgress" if is_open else "Completed",
            "message": hour.message if is_failed else "",
            "submit": start,
            "end": "" if is_open else f"{hour.start + timedelta(minutes=2):%m-%d %H:%M:%S}",
        }
        yield summary(line, at)


def test_a_model_that_fails_for_a_day(tmp_path: Path) -> None:
    """360 of 360 at 15 an hour."""
    given = [*usual(), *hours(0, 24, 15), *usual(24, 48)]
    assert incidents(tmp_path, given) == [Found(0, 24, 1, 1, 360, 360, "internal_error")]


def test_all_of_twenty_small_accounts_at_once(tmp_path: Path) -> None:
    """200 of 200, 10 of each, which have an invocation every other day."""
    given = [
        hour
        for account in ACCOUNTS
        for hour in [
            *(
                each
                for at in (-160, -110, -60, -10)
                for each in hours(at, at + 1, 0, 1, account=account)
            ),
            *hours(9, 10, 10, 10, account=account),
            *hours(20, 21, 0, 1, account=account),
        ]
    ]
    assert incidents(tmp_path, given) == [Found(9, 10, 20, 20, 200, 200, "internal_error")]


def test_one_failure_of_twenty_is_none(tmp_path: Path) -> None:
    given = [*hours(-168, 0, 0, 20), *hours(0, 1, 1, 20), *hours(1, 24, 0, 20)]
    assert incidents(tmp_path, given) == []


def test_a_week_as_any_other_has_none(tmp_path: Path) -> None:
    assert incidents(tmp_path, usual(-336, 0)) == []


def test_a_region_that_fails_while_others_do_not(tmp_path: Path) -> None:
    """60 of 60 in one of many regions, which is 3.6 % of all."""
    others = [f"eu-west-{number}" for number in range(1, 28)]
    given = [
        *usual(-168, 24),
        *(hour for region in others for hour in hours(-24, 24, 0, region=region)),
        *hours(8, 12, 15, region="ap-south-1"),
        *usual(-168, 8, region="ap-south-1"),
        *usual(12, 24, region="ap-south-1"),
    ]
    assert incidents(tmp_path, given) == [Found(8, 12, 1, 1, 60, 60, "internal_error")]


def test_what_touches_is_one_and_what_does_not_are_two(tmp_path: Path) -> None:
    """An hour with fewer failures does not part an incident; half a day without does."""
    given = [
        *usual(),
        *hours(0, 1, 12),
        *hours(1, 2, 7),
        *hours(2, 3, 12),
        *usual(3, 18),
        *hours(18, 20, 15),
        *usual(20, 24),
    ]
    assert incidents(tmp_path, given) == [
        Found(0, 3, 1, 1, 31, 45, "internal_error"),
        Found(18, 20, 1, 1, 30, 30, "internal_error"),
    ]


def test_each_model_has_its_own(tmp_path: Path) -> None:
    given = [
        *usual(),
        *usual(model="luma.ray-v2:0"),
        *hours(3, 5, 15),
        *usual(5, 9),
        *hours(4, 6, 15, model="luma.ray-v2:0", message="Rate exceeded"),
        *usual(6, 9, model="luma.ray-v2:0"),
    ]
    assert incidents(tmp_path, given) == [
        Found(3, 5, 1, 1, 30, 30, "internal_error"),
        Found(4, 6, 1, 1, 30, 30, "capacity", "luma.ray-v2:0"),
    ]


def test_few_invocations_an_hour_show_it_together(tmp_path: Path) -> None:
    """Two an hour: no hour is beyond chance, quarters of the day are, and their hours tell when."""
    given = [
        *hours(-168, 9, 0, 2),
        *hours(-84, -83, 1, 2),
        *hours(9, 15, 2, 2),
        *hours(15, 24, 0, 2),
    ]
    assert incidents(tmp_path, given) == [Found(9, 15, 1, 1, 12, 12, "internal_error")]


def test_a_little_more_all_day(tmp_path: Path) -> None:
    """2 of 15 where it was 1 of 75."""
    given = [*usual(), *hours(0, 24, 2), *usual(24, 48)]
    assert incidents(tmp_path, given) == [Found(0, 24, 1, 1, 48, 360, "internal_error")]


def test_an_outage_does_not_become_usual(tmp_path: Path) -> None:
    """On its fourth day it is as far beyond what is usual as on the first."""
    given = [*usual(), *hours(0, 96, 15), *usual(96, 100)]
    assert incidents(tmp_path, given) == [Found(0, 96, 1, 1, 1440, 1440, "internal_error")]


@pytest.mark.parametrize(
    ("later", "read", "ended"),
    [
        (hours(5, 6, 0), 5.9, None),
        (hours(5, 6, 0), 6, 5),
        (hours(5, 8, 15, still_open=15), 8, None),
        (hours(5, 8, 15, still_open=15), 28.9, None),
        ([], 29, 5),
    ],
)
def test_it_lasts_until_a_later_hour_is_known_to_be_good(
    later: list[Hour], read: float, ended: int | None, tmp_path: Path
) -> None:
    """That is, one that was read whole, of which an invocation has ended; or for a day."""
    later = [hour._replace(failed=0) for hour in later]
    given = [*usual(), *hours(3, 5, 15), *later]
    found = incidents(tmp_path, given, BAD_DAY + read * HOUR)
    assert found == [Found(3, ended, 1, 1, 30, 30, "internal_error")]


def test_a_second_outage_is_not_lost_behind_the_first(tmp_path: Path) -> None:
    """Though the quarters of the day that have them touch."""
    given = [*usual(), *hours(0, 3, 15), *usual(3, 9), *hours(9, 11, 10)]
    assert incidents(tmp_path, given, BAD_DAY + 11.5 * HOUR) == [
        Found(0, 3, 1, 1, 45, 45, "internal_error"),
        Found(9, None, 1, 1, 20, 30, "internal_error"),
    ]


def test_an_outage_goes_on_in_another_account(tmp_path: Path) -> None:
    """Where it is weaker, but has windows of its own."""
    other: dict[str, Any] = {"account": ACCOUNTS[1]}
    given = [*usual(), *usual(**other), *hours(0, 3, 15), *usual(3, 9), *hours(0, 9, 8, **other)]
    [found] = incidents(tmp_path, given, BAD_DAY + 9.5 * HOUR)
    assert (found.started, found.ended, found.scopes, found.accounts) == (0, None, 2, 2)


def test_an_account_that_always_fails_more_has_no_part(tmp_path: Path) -> None:
    """40 % are usual in one of five accounts, and another has no outage."""
    given = [*usual(-168, 6, account=ACCOUNTS[4]), *hours(-168, 6, 6, account=ACCOUNTS[5])]
    for account in ACCOUNTS[:4]:
        given += [*usual(account=account), *hours(0, 6, 15, account=account)]
        given += usual(6, 9, account=account)
    [found] = incidents(tmp_path, given)
    assert (found.started, found.ended, found.scopes, found.accounts) == (0, 6, 4, 4)


def test_open_ones_may_complete(tmp_path: Path) -> None:
    """5 of 5 that have ended failed, but 95 are still open."""
    given = [*usual(), *hours(3, 4, 5, 100, still_open=95)]
    assert incidents(tmp_path, given, BAD_DAY + 4 * HOUR) == []


def test_the_cause_is_what_grew_most(tmp_path: Path) -> None:
    """Not what fails most at any time."""
    blocked = "The generated video was blocked by our content filters."
    given = [
        *usual(),
        *hours(-168, 24, 4, 30, message=blocked),
        *hours(3, 5, 8, message="Rate exceeded"),
    ]
    assert incidents(tmp_path, given) == [Found(3, 5, 1, 1, 24, 90, "capacity")]


def test_what_fails_as_usual_is_no_cause(tmp_path: Path) -> None:
    """However seldom it does in each of many accounts."""
    blocked = {"message": "The generated video was blocked by our content filters."}
    given = []
    for at, account in enumerate(ACCOUNTS):
        for hour in range(-168, 12):
            filtered = int((hour + at) % 2 == 0)
            given += hours(hour, hour + 1, filtered, 5, account=account, **blocked)
        given += hours(at % 4, at % 4 + 4, 1, 1, account=account)
    assert {each.category for each in incidents(tmp_path, given)} == {"internal_error"}


def test_an_outage_makes_no_incident_of_another_model(tmp_path: Path) -> None:
    """3 of 15 are rare, but not in a week, however much of another model fails."""
    usually = [hour for at in range(-168, 24) for hour in hours(at, at + 1, int(at % 10 == 0))]
    given = [*usually[:-12], *hours(12, 13, 3), *usually[-11:]]
    other: dict[str, Any] = {"model": "luma.ray-v2:0"}
    outage = [*usual(**other), *hours(0, 24, 15, **other), *usual(24, 27, **other)]
    assert incidents(tmp_path, [*given, *outage]) == [
        Found(0, 24, 1, 1, 360, 360, "internal_error", "luma.ray-v2:0")
    ]
