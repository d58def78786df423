"""The data checked against thresholds, for cron, CI and Airflow."""

from datetime import UTC, datetime

import duckdb

from bedrock_async_etl.check.facts import read_facts
from bedrock_async_etl.check.rules import apply_rules
from bedrock_async_etl.check.thresholds import Thresholds
from bedrock_async_etl.check.verdict import Verdict
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.errors import CommandError


def check(destination: Destination, thresholds: Thresholds, now: datetime | None = None) -> Verdict:
    """Check what was loaded and modelled; `now` is by this machine's clock.

    Raises `CommandError` where nothing was loaded yet, or where models are needed and not built.
    """
    try:
        with destination.connection() as connection:
            facts = read_facts(connection, str(destination), thresholds, now or datetime.now(UTC))
            return Verdict(apply_rules(facts, thresholds), facts.since, facts.until)
    except duckdb.Error as error:
        raise CommandError(destination.explain(error)) from error
