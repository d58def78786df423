"""Hold a copy against thresholds, for cron and Airflow."""

from datetime import UTC, datetime

from pipelines.destinations import Destination
from pipelines.gate.facts import read_facts
from pipelines.gate.rules import judge
from pipelines.gate.thresholds import Thresholds
from pipelines.gate.verdict import Verdict


def check(destination: Destination, thresholds: Thresholds, now: datetime | None = None) -> Verdict:
    """Whether what was loaded and modelled keeps to the thresholds.

    Raises `CommandError` where nothing was loaded yet, or where models are needed and not built.
    """
    return judge(read_facts(destination, thresholds), thresholds, now or datetime.now(UTC))
