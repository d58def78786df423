"""Hold a copy against thresholds, for cron and Airflow."""

from datetime import UTC, datetime

from bedrock_async_etl.check.facts import read_facts
from bedrock_async_etl.check.rules import judge
from bedrock_async_etl.check.thresholds import Thresholds
from bedrock_async_etl.check.verdict import Verdict
from bedrock_async_etl.destinations import Destination


def check(destination: Destination, thresholds: Thresholds, now: datetime | None = None) -> Verdict:
    """Whether what was loaded and modelled keeps to the thresholds.

    Raises `CommandError` where nothing was loaded yet, or where models are needed and not built.
    """
    return judge(read_facts(destination, thresholds), thresholds, now or datetime.now(UTC))
