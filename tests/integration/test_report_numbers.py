"""Every number of a report: its charts and tables add up to the headline, and to the models."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.models.statistics import statistic
from bedrock_async_etl.options import ReportOptions
from bedrock_async_etl.report.report import write_report
from tests.bedrock_async_etl import copies
from tests.bedrock_async_etl.copies import ACCOUNT, RAY, REEL, invocation
from tests.bedrock_async_etl.copies import report as finished_run
from tests.sql.given_rates import FORMULA

pytestmark = pytest.mark.integration

ACCOUNTS: Final = (ACCOUNT, "444455556666")
REGIONS: Final = ("us-east-1", "eu-west-1")
SINCE_READ: Final = timedelta(minutes=23)
"""Periods begin and end in the midst of an hour."""
STEPS: Final = {"1d": timedelta(hours=1), "7d": timedelta(hours=6), "30d": timedelta(days=1)}
"""The steps of the charts of each period; the last is the page's."""
MESSAGES: Final = ("Internal error", "Throttled: rate exceeded", "Access denied to the bucket")
BREAKDOWNS: Final = ("model", "account", "region", "account and region", "fault", "reason")
CHOICES: Final[tuple[dict[str, str], ...]] = (
    {},
    {"account": ACCOUNT},
    {"region": "eu-west-1"},
    {"model": RAY},
    {"account": "444455556666", "region": "us-east-1"},
    {"account": ACCOUNT, "region": "eu-west-1", "model": REEL},
    {"cause": "fault:service"},
    {"cause": "reason:storage_access", "model": REEL},
)
CHOSEN: Final = """
create or replace temp table chosen as
select
    submit_time,
    date_diff('hour', timestamptz '1970-01-01 00:00+00', submit_time) as hour,
    case
        when is_open then 'open'
        when not is_terminal then 'other'
        when is_failed and {cause} then 'failed'
        when is_failed then 'failed otherwise'
        else 'completed'
    end as outcome,
    coalesce(age_ms, round(1000 * latency_seconds)) as ms
from bedrock_analytics.invocations
left join (select invocation_arn, age_ms from bedrock_analytics.unmeasured_ages)
    using (invocation_arn)
where submit_time >= (select max(as_of) from bedrock_analytics.scopes) - {period} and {chosen}
"""
GIVEN: Final = """
create or replace temp table given as
select 'whole' as model_id, *, 1 as count from chosen
union all
select strftime(time_bucket(interval {step}, submit_time, timestamptz '1970-01-01 00:00+00'),
    '%Y-%m-%d %H:%M') as model_id, *, 1 as count
from chosen
"""
"""The whole period, and each step of it."""
COUNTS: Final = """
select model_id, count(*), count(*) filter (where outcome = 'completed'),
    count(*) filter (where outcome = 'failed'), count(*) filter (where outcome = 'open')
from given group by model_id
"""
RISKS: Final = f"""
with given as (
    select * replace (if(outcome = 'failed otherwise', 'completed', outcome) as outcome)
    from main.given
    where outcome <> 'other'
)
select model_id, failure_risk, failure_risk_low, failure_risk_high from ({FORMULA})
"""
SUBJECTS: Final = """
select
    ['given'] as cohorts, null as account_id, null as region, model_id, null as submit_date,
    if(outcome in ('open', 'other'), null, [cast(ms as bigint)]) as latencies_ms,
    if(outcome in ('open', 'other'), cast(ms as bigint), null) as age_ms,
    outcome = 'open' as is_open
from given
where ms is not null
"""
PERCENTILES: Final = f"""
select model_id, p50, p95, p99 from ({statistic("survivals", subjects=SUBJECTS)})
"""
CAUSES: Final = {
    "fault:service": "failure_fault = 'service'",
    "reason:storage_access": "failure_category = 'storage_access'",
}
COLUMNS: Final = {"account": "account_id", "region": "region", "model": "model_id"}


def invocations(seed: int) -> Iterator[dict[str, Any]]:
    """Two months, the newer the more of them: many are open, and failures are fast."""
    chance = random.Random(seed)
    for number in range(3_000):
        age = SINCE_READ + timedelta(days=60 * chance.random() ** 3)
        has_failed = chance.random() < 0.15
        seconds: float | None = chance.expovariate(1 / (2_000 if has_failed else 30_000))
        if chance.random() < 0.02 or age - timedelta(seconds=seconds or 0) < SINCE_READ:
            seconds = None
        status = "Failed" if has_failed else "Completed"
        model = chance.choice([REEL, REEL, RAY])
        summary = invocation(f"{number}", age, seconds, status, model)
        arn = summary["invocationArn"]
        arn = arn.replace("us-east-1", chance.choice(REGIONS)).replace(
            ACCOUNT, chance.choice(ACCOUNTS)
        )
        yield summary | {"invocationArn": arn, "failureMessage": chance.choice(MESSAGES)}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> DuckDBDestination:
    path = tmp_path_factory.mktemp("copy") / "copy.duckdb"
    runs = [
        finished_run(ago=SINCE_READ, region=region) | {"account_id": account}
        for account in ACCOUNTS
        for region in REGIONS
    ]
    vanished = [f"{number}" for number in range(0, 3_000, 90)]
    return copies.modelled(path, list(invocations(7)), runs, vanished)


@pytest.fixture(scope="module")
def page(
    browser: Browser, copy: DuckDBDestination, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(copy, path, ReportOptions(period="30d"))
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        trouble: list[str] = []
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(path.as_uri())
        yield page
        assert trouble == []


@dataclass(frozen=True)
class Truth:
    """What the formulas of the models say of a choice and period: of the whole, and by step."""

    counts: Mapping[str, Sequence[int]]
    risks: Mapping[str, Sequence[float]]
    percentiles: Mapping[str, Sequence[float]]

    @classmethod
    def of(cls, copy: DuckDBDestination, choice: Mapping[str, str], period: str) -> "Truth":
        chosen = [f"{COLUMNS[name]} = '{choice[name]}'" for name in COLUMNS if name in choice]
        cause = CAUSES[choice["cause"]] if "cause" in choice else "true"
        hours = STEPS[period].total_seconds() // 3_600
        with copy.connection() as connection:
            connection.execute(
                CHOSEN.format(
                    cause=cause,
                    period=f"interval {period.replace('d', ' days')}",
                    chosen=" and ".join(["true", *chosen]),
                )
            )
            connection.execute(GIVEN.format(step=f"{hours:.0f} hours"))
            found = (
                {name: values for name, *values in connection.sql(select).fetchall()}
                for select in (COUNTS, RISKS, PERCENTILES)
            )
            return cls(*found)


def choose(page: Page, choice: Mapping[str, str]) -> None:
    """As a link does it."""
    fragment = urlencode(choice)
    page.evaluate("fragment => { location.hash = fragment }", fragment)
    page.wait_for_function("() => document.querySelector('#selection').textContent.length > 0")


def numbers(page: Page, chart: str) -> list[list[str]]:
    """The numbers behind a chart."""
    section = page.locator(f"#{chart}")
    if section.locator("details[open]").count() == 0:
        section.get_by_text("Show the numbers").click()
    expect(section.locator("tbody")).to_have_count(1)
    cells = "rows => rows.map(row => [...row.children].map(cell => cell.innerText))"
    found: list[list[str]] = section.locator("tbody tr").evaluate_all(cells)
    return found


def figure(page: Page, name: str) -> float | None:
    value = page.locator(f"[data-figure={name}]").get_attribute("data-value")
    return float(value) if value else None


def integer(text: str) -> int:
    return int(text.replace(",", ""))


UNITS: Final = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}


def seconds(text: str) -> tuple[float, float] | None:
    """A duration, and half of its last unit."""
    parts = re.findall(r"([\d.,]+)\s(d|h|min|s)", text)
    if not parts:
        return None
    value = sum(float(number.replace(",", "")) * UNITS[unit] for number, unit in parts)
    number, unit = parts[-1]
    return value, (0.05 if "." in number else 0.5) * UNITS[unit]


def assert_durations(told: Sequence[str], expected: Sequence[float | None]) -> None:
    """Within one per cent, and half of the last unit that is shown."""
    for text, value in zip(told, expected, strict=True):
        shown = seconds(text)
        assert (shown is None) == (value is None), (told, expected)
        if shown and value is not None:
            assert shown[0] == pytest.approx(value, abs=0.01 * value + shown[1])


def start_of(step: str) -> str:
    """When the step of a row of numbers begins, to the minute."""
    return step.split(" to ")[0] if ":" in step else f"{step} 00:00"


@pytest.mark.parametrize("period", STEPS)
@pytest.mark.parametrize("choice", CHOICES, ids=" ".join)
def test_charts_and_tables_add_up_to_the_headline_and_the_models(
    page: Page, copy: DuckDBDestination, choice: dict[str, str], period: str
) -> None:
    truth = Truth.of(copy, choice, period)
    choose(page, choice | {"period": period})
    invocations, completed, failed, still_open = truth.counts["whole"]
    assert figure(page, "invocations") == invocations
    assert figure(page, "failure-risk") == pytest.approx(truth.risks["whole"][0], abs=1e-9)
    for name, value in zip(("p50", "p95"), truth.percentiles["whole"], strict=False):
        told = figure(page, f"survival-{name}")
        assert told == (value if value is None else pytest.approx(value, rel=0.01))

    rows = {start_of(step): row for step, *row in numbers(page, "volume")}
    sums = [sum(integer(row[at]) for row in rows.values()) for at in range(4)]
    assert sums == [invocations, completed, failed, still_open]
    begin = min(rows)
    for step, counts in truth.counts.items():
        if step != "whole":
            row = rows[max(step, begin)]
            assert [integer(cell) for cell in row[:4]] == counts
    for step, risk in truth.risks.items():
        if step != "whole" and None not in risk:
            cells = " ".join(rows[max(step, begin)][-2:])
            shares = [float(each) for each in re.findall(r"[\d.]+", cells)]
            assert shares == pytest.approx([100 * each for each in risk], abs=0.0501)
    latencies = {start_of(step): row for step, *row in numbers(page, "latency")}
    for step, expected in truth.percentiles.items():
        if step != "whole":
            assert_durations(latencies[max(step, begin)][2:5], expected)


FLIGHTS: Final = """
with gone as (
    select
        epoch(submit_time) as submitted,
        epoch(coalesce(end_time, submit_time + to_milliseconds(cast(age_ms as bigint)))) as gone,
        coalesce(is_stuck, false) or is_vanished as is_left_out
    from bedrock_analytics.invocations
    left join (select invocation_arn, age_ms from bedrock_analytics.open_ages)
        using (invocation_arn)
    left join (select invocation_arn, is_stuck from bedrock_analytics.open_invocations)
        using (invocation_arn)
),

steps as (
    select
        epoch(as_of - interval {period}) as since,
        epoch(as_of) as until,
        unnest(
            range(cast(since as bigint) // {step} * {step}, cast(until as bigint), {step})
        ) as step
    from (select max(as_of) as as_of from bedrock_analytics.scopes)
)

select
    strftime(make_timestamp(step * 1_000_000), '%Y-%m-%d %H:%M'),
    coalesce(sum(greatest(0, least(gone, step + {step}, until) - greatest(submitted, step, since)))
        filter (where not is_left_out), 0)
        / (least(step + {step}, until) - greatest(step, since))
from steps cross join gone
group by step, since, until
order by step
"""


@pytest.mark.parametrize("period", STEPS)
def test_what_is_in_flight_is_that_of_the_rows(
    page: Page, copy: DuckDBDestination, period: str
) -> None:
    """The average of all, but for the part of an hour with which the period begins."""
    step, days = STEPS[period].total_seconds(), period.removesuffix("d")
    with copy.connection() as connection:
        select = FLIGHTS.format(step=f"{step:.0f}", period=f"{days} days")
        _, *expected = connection.sql(select).fetchall()
    choose(page, {"period": period})
    _, *rows = numbers(page, "fleet")
    told = [(start_of(each), float(average.replace(",", ""))) for each, average in rows]
    assert dict(told) == pytest.approx(dict(expected), abs=0.02)
    assert expected[-1][1] > 1


@pytest.mark.parametrize("period", STEPS)
@pytest.mark.parametrize("choice", CHOICES[:4], ids=" ".join)
def test_every_breakdown_adds_up_to_the_headline(
    page: Page, choice: dict[str, str], period: str
) -> None:
    for by in BREAKDOWNS:
        choose(page, choice | {"period": period, "by": by})
        header = page.locator("#breakdown th").all_inner_texts()
        table = page.locator("#breakdown tbody tr").evaluate_all(
            "rows => rows.map(row => [...row.children].map(cell => cell.innerText))"
        )
        rows = [dict(zip(header, row, strict=True)) for row in table]
        failed = sum(integer(row["failed"].split(" of ")[0]) for row in rows)
        note = page.locator("[data-figure=invocations] + p").inner_text()
        assert note.startswith(f"{failed:,} of ")
        if by in ("fault", "reason"):
            assert {integer(row["failed"].split(" of ")[1]) for row in rows} == {
                integer(note.split()[2])
            }
        else:
            invocations = sum(integer(row["invocations"]) for row in rows)
            assert invocations == figure(page, "invocations")
            excess = [integer(row["excess"]) for row in rows if row["excess"][0] in "-0123456789"]
            assert excess == sorted(excess, reverse=True)
