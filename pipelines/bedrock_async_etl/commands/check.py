"""`check`: the data against thresholds."""

from typing import Final

from bedrock_async_etl.commands.options import Check, Copy, JsonOption, existing_copy
from bedrock_async_etl.console import print_json

EXAMPLES: Final = """\
# Exit with 2 where a model fails more often than 1 in 10, or a load is late
bedrock-async-etl check --max-failure-rate 10% --max-lag 1h

# Over a week, with a limit of its own for one model
bedrock-async-etl check --window 7d --max-failure-rate 10% --max-failure-rate luma.ray-v2:0=20%
"""


def command(thresholds: Check, copy: Copy, as_json: JsonOption = False) -> int:
    """Check the data against thresholds, for cron, CI and Airflow.

    Exit codes: 0 all is well, 1 could not be checked, 2 wrong usage, or one line on stderr for each
    breach.
    """
    from bedrock_async_etl.check import check
    from bedrock_async_etl.check.printing import post_breaches, print_breaches, print_verdict
    from bedrock_async_etl.check.thresholds import find_thresholds, find_webhook

    webhook_url = thresholds.pop("notify", None)
    found = find_thresholds(**thresholds)
    webhook = find_webhook(webhook_url)
    target = existing_copy(copy)
    verdict = check(target, found)
    if not as_json:
        print_verdict(verdict)
    print_breaches(verdict)
    notified = post_breaches(webhook, verdict, str(target))
    if as_json:
        print_json(verdict.as_json() | {"notified": notified})
    return verdict.exit_code
