"""Promises of the models about simulated worlds, which `run` loads as their clock moves."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import chain, product
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from bedrock_emulator import Control, Submission
from tests.conftest import ACCOUNT, REGION
from tests.copies import query
from tests.integration.processes import start
from tests.integration.test_coverage import LEAST
from tests.worlds import START, hourly_rates, jobs

pytestmark = [pytest.mark.integration, pytest.mark.soak]

HOURS: Final = 720
"""A month."""
RATES: Final = (0.005, 0.01, 0.02, 0.05, 0.1)
REGIONS: Final = (REGION, "eu-west-1")
OUTAGE: Final = "An internal server error occurred."
INCIDENTS: Final = """
select model_id, started_at, ended_at, scopes, accounts, failed, failure_category
from bedrock_analytics.incidents
order by started_at
"""
INCIDENT_WEEKS: Final = """
select model_id, count(distinct date_trunc('week', started_at))
from bedrock_analytics.incidents
group by model_id
"""
RecordProperty = Callable[[str, object], None]


def run(database: Path, *options: str) -> None:
    """Load what the clock shows, and build the models."""
    command(0, "run", "--database", str(database), *options)


def breaches(database: Path, *options: str) -> list[str]:
    """The subjects of `check` that breach."""
    verdict = command(None, "check", "--database", str(database), *options)
    return [breach["subject"] for breach in verdict["breaches"]]


def command(exit_code: int | None, *arguments: str) -> Any:
    """The JSON document of a command, run as a process of its own."""
    process = start(*arguments, "--json")
    stdout, stderr = process.communicate()
    assert exit_code in (None, process.returncode), stderr
    return json.loads(stdout)


def coverage(database: Path, table: str, value: str, truth: float, condition: str) -> float:
    """The share of a table's intervals that have the truth in them.

    Where nothing has ended there is no interval, and nothing is ruled out.
    """
    [(share,)] = query(
        database,
        f"select avg(cast({truth} between coalesce({value}_low, 0) and coalesce({value}_high, 1) "
        f"as integer)) from bedrock_analytics.{table} where {condition}",
    )
    return float(share)


def jobs_with_outages(
    random: np.random.Generator, model_id: str, rate: float, is_out: NDArray[np.bool]
) -> list[Submission]:
    """15 jobs an hour, all of which fail in hours of an outage."""
    healthy = jobs(random, model_id, 15 * ~is_out, np.full(len(is_out), rate))
    failing = jobs(random, model_id, 15 * is_out, np.ones(len(is_out)), OUTAGE)
    return [*healthy, *failing]


def test_fast_failures_and_slow_successes(
    bedrock: Control, database: Path, record_property: RecordProperty
) -> None:
    """5 % of the jobs of 200 models fail within seconds; the others complete after 15 minutes."""
    random = np.random.default_rng(20260304)
    rates = np.full(25, 0.05)
    models = [jobs(random, f"model-{n}", random.uniform(30, 100), rates) for n in range(200)]
    bedrock.submit_all(ACCOUNT, REGION, list(chain(*models)))
    for minute in (15, 35, 59):
        bedrock.set_clock(START + timedelta(hours=24, minutes=minute))
        run(database)
        newest = f"submit_hour = '{START + timedelta(hours=24)}'"
        share = coverage(database, "failure_rate_hourly", "failure_risk", 0.05, newest)
        alarms = {
            window: len(breaches(database, "--max-failure-rate", "6%", "--window", window))
            for window in ("30m", "1h", "6h", "24h")
        }
        record_property(f"minute {minute} of the newest hour", {"covered": share} | alarms)
        assert share >= LEAST
        assert max(alarms.values()) <= 0.05 * len(models)


def test_days_whose_failures_go_together(
    bedrock: Control, database: Path, record_property: RecordProperty
) -> None:
    """A month of 15 models of each failure rate and correlation within the hour."""
    random = np.random.default_rng(20260305)
    kinds = list(product((0.05, 0.1), (0, 0.05, 0.2)))
    models = [
        jobs(
            random, f"{rate}-{correlation}-{n}", 30, hourly_rates(random, rate, correlation, HOURS)
        )
        for (rate, correlation), n in product(kinds, range(15))
    ]
    bedrock.submit_all(ACCOUNT, REGION, list(chain(*models)))
    bedrock.set_clock(START + timedelta(hours=HOURS + 6))
    run(database)
    for (rate, correlation), value in product(kinds, ("failure_rate", "failure_risk")):
        of_kind = f"starts_with(model_id, '{rate}-{correlation}-')"
        share = coverage(database, "failure_rate_daily", value, rate, of_kind)
        record_property(f"{value} of a day, rate {rate}, correlation {correlation}", share)
        assert share >= LEAST


def test_constant_rates_are_no_incidents(
    bedrock: Control,
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: RecordProperty,
) -> None:
    """A month in 25 worlds, which have a model of each rate, and one that is out twice a week.

    A world is an account with two regions, and has a database of its own.
    """
    random = np.random.default_rng(20260306)
    is_out = np.arange(HOURS) % 84 >= 81
    bedrock.set_clock(START + timedelta(hours=HOURS + 6))
    accounts = [f"{number:012}" for number in range(25)]
    false_weeks = Counter[str]()
    for account in accounts:
        models = [jobs(random, str(rate), 30, np.full(HOURS, rate)) for rate in RATES]
        submissions = [*chain(*models), *jobs_with_outages(random, "other", 0.02, is_out)]
        bedrock.submit_all(account, REGIONS[0], submissions[::2])
        bedrock.submit_all(account, REGIONS[1], submissions[1::2])
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"AKIA{account}EMUL")
        copy = database.with_name(f"{account}.duckdb")
        run(copy, *chain(*(("--region", region) for region in REGIONS)))
        false_weeks.update(dict(query(copy, INCIDENT_WEEKS)))
    shares = {str(rate): false_weeks[str(rate)] / (len(accounts) * HOURS / 168) for rate in RATES}
    record_property("weeks with a false incident, by failure rate", shares)
    assert max(shares.values()) <= 0.01


def test_an_outage_of_a_model_that_is_seldom_called(bedrock: Control, database: Path) -> None:
    """All of 15 jobs an hour fail for three hours, of one model after the other."""
    random = np.random.default_rng(20260307)
    hours = np.arange(HOURS)
    incidents = []
    for number, rate in enumerate(RATES):
        begin = 8 * 24 + 50 * number
        is_out = (hours >= begin) & (hours < begin + 3)
        submissions = jobs_with_outages(random, str(rate), rate, is_out)
        failed = sum(each.failure_message == OUTAGE for each in submissions)
        bedrock.submit_all(ACCOUNT, REGION, submissions)
        started_at, ended_at = (START + timedelta(hours=hour) for hour in (begin, begin + 3))
        incidents.append((str(rate), started_at, ended_at, 1, 1, failed, "internal_error"))
    for incident in incidents:
        _, _, ended_at, *_ = incident
        bedrock.set_clock(ended_at + timedelta(hours=2))
        run(database)
        assert incident in query(database, INCIDENTS)


def test_an_outage_in_many_small_accounts(bedrock: Control, database: Path) -> None:
    """All of 200 jobs fail at once in 20 accounts, which have ten a day each."""
    random = np.random.default_rng(20260308)
    accounts = [f"{number:012}" for number in range(20)]
    begin = START + timedelta(days=10, hours=12)
    for account in accounts:
        failing = [
            Submission(
                submit_time=begin + timedelta(minutes=minute),
                duration=timedelta(seconds=5),
                failure_message=OUTAGE,
            )
            for minute in range(10)
        ]
        healthy = jobs(random, failing[0].model_id, 10 / 24, np.full(HOURS, 0.02))
        bedrock.submit_all(account, REGION, [*healthy, *failing])
    roles = [("--role-arn", f"arn:aws:iam::{account}:role/reader") for account in accounts]
    bedrock.set_clock(begin)
    run(database, *chain(*roles))
    assert query(database, INCIDENTS) == []
    bedrock.advance(timedelta(hours=1))
    run(database, *chain(*roles))
    assert query(database, INCIDENTS) == [
        ("amazon.nova-reel-v1:1", begin, None, 20, 20, 200, "internal_error")
    ]
