"""The lines that people see of a verdict."""

from itertools import groupby
from typing import TYPE_CHECKING, Final

from bedrock_async_etl.check.verdict import Verdict
from bedrock_async_etl.console import error_console, output_console, plain_table
from bedrock_async_etl.formatting import format_time

if TYPE_CHECKING:
    from bedrock_async_etl.check.webhook import Webhook

SHOWN: Final = 20
"""Rows of one rule that are good; there may be thousands of scopes."""


def print_verdict(verdict: Verdict) -> None:
    """Print a row for each finding, and the window where there is no breach."""
    table = plain_table("checked", "of", "", "found")
    for title, of_rule in groupby(verdict.findings, key=lambda finding: finding.title):
        findings = list(of_rule)
        hidden = [finding for finding in findings if finding.outcome == "ok"][SHOWN:]
        for finding in findings:
            if finding not in hidden:
                table.add_row(title, finding.subject, finding.outcome, finding.text)
        if hidden:
            table.add_row(title, f"{len(hidden):,} more", "ok", "")
    console = output_console()
    console.print(table)
    if not verdict.breaches:
        console.print(_all_is_well(verdict))


def print_breaches(verdict: Verdict) -> None:
    """Print a line for each breach on stderr, so that cron can mail nothing else."""
    console = error_console()
    for finding in verdict.breaches:
        console.print(f"Breach: {finding.line}")


def _all_is_well(verdict: Verdict) -> str:
    text = f"All is well: {len(verdict.of('ok')):,} checked"
    if inconclusive := verdict.of("inconclusive"):
        text += f", {len(inconclusive):,} could not be checked"
    if verdict.since:
        since, until = format_time(verdict.since), format_time(verdict.until)
        text += f"; the window is {since} UTC to {until} UTC"
    return f"{text}."


def post_breaches(webhook: "Webhook | None", verdict: Verdict, destination: str) -> bool | None:
    """Post the breaches; False where the webhook did not take them, None without any to post.

    A failure is one line on stderr: the verdict stays what it is.
    """
    if webhook is None or not verdict.breaches:
        return None
    reason = webhook.post(verdict.message(destination))
    if reason:
        error_console().print(f"The webhook did not take the message: {reason}")
    return reason is None
