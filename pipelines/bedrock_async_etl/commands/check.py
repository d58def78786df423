"""`check`: the data against thresholds."""

from itertools import groupby
from typing import TYPE_CHECKING, Final

from bedrock_async_etl.commands.options import Check, Copy, JsonOption, existing_copy
from bedrock_async_etl.console import error_console, output_console, plain_table, print_json
from bedrock_async_etl.formatting import MAX_LINES, format_time
from bedrock_async_etl.options import CHECK_SECTION

if TYPE_CHECKING:
    from bedrock_async_etl.check.verdict import Verdict

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
    from bedrock_async_etl.check.notifications import find_receivers, post
    from bedrock_async_etl.check.thresholds import find_thresholds

    urls = thresholds.pop("notify", None)
    found = find_thresholds(**thresholds)
    receivers = find_receivers(CHECK_SECTION, urls)
    target = existing_copy(copy)
    verdict = check(target, found)
    if not as_json:
        _print_verdict(verdict)
    stderr = error_console()  # so that cron can mail nothing else
    for finding in verdict.breaches:
        stderr.print(f"Breach: {finding.line}")
    notified = post(verdict.message(str(target)), receivers) if verdict.breaches else None
    if as_json:
        print_json(verdict.as_json() | {"notified": notified})
    return verdict.exit_code


def _print_verdict(verdict: "Verdict") -> None:
    """Print a row for each finding, and the window where there is no breach."""
    rows = []
    for title, of_rule in groupby(verdict.findings, key=lambda finding: finding.title):
        findings = list(of_rule)
        good = [finding for finding in findings if finding.outcome == "ok"]
        hidden = set(map(id, good[MAX_LINES:]))
        for finding in findings:
            if id(finding) not in hidden:
                rows.append((title, finding.subject, finding.outcome, finding.text))
        if hidden:
            rows.append((title, f"{len(hidden):,} more", "ok", ""))
    console = output_console()
    console.print(plain_table(["checked", "of", "", "found"], rows))
    if not verdict.breaches:
        console.print(_all_is_well(verdict))


def _all_is_well(verdict: "Verdict") -> str:
    text = f"All is well: {len(verdict.of('ok')):,} checked"
    if inconclusive := verdict.of("inconclusive"):
        text += f", {len(inconclusive):,} could not be checked"
    if verdict.since:
        since, until = format_time(verdict.since), format_time(verdict.until)
        text += f"; the window is {since} UTC to {until} UTC"
    return f"{text}."
