"""What people see of a verdict, and what is posted."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

from bedrock_async_etl.check.quantities import show_time
from bedrock_async_etl.check.verdict import TITLES, Finding, Verdict
from bedrock_async_etl.console import error_console, output_console, plain_table

if TYPE_CHECKING:
    from bedrock_async_etl.check.webhook import Webhook

SHOWN: Final = 20
"""Rows of one rule that are good, and breaches in a message; there may be thousands of scopes."""


def print_verdict(verdict: Verdict) -> None:
    """A row per thing that was checked, and whether all is well."""
    table = plain_table("checked", "of", "", "found")
    for rule, of_rule in groupby(verdict.findings, key=lambda finding: finding.rule):
        findings = list(of_rule)
        hidden = [finding for finding in findings if finding.outcome == "ok"][SHOWN:]
        for finding in findings:
            if finding not in hidden:
                table.add_row(TITLES[rule], finding.subject, finding.outcome, finding.text)
        if hidden:
            table.add_row(TITLES[rule], f"{len(hidden):,} more", "ok", "")
    console = output_console()
    console.print(table)
    if not verdict.breaches:
        console.print(_all_is_well(verdict))


def print_breaches(verdict: Verdict) -> None:
    """A line per breach on stderr, so that cron can be told to mail nothing else."""
    console = error_console()
    for finding in verdict.breaches:
        console.print(f"Breach: {finding.line}")


def _all_is_well(verdict: Verdict) -> str:
    told = f"All is well: {len(verdict.findings):,} checked"
    if verdict.untold:
        told += f", {len(verdict.untold):,} of which cannot be told"
    return f"{told}; {_window(verdict)}." if verdict.since else f"{told}."


def _window(verdict: Verdict) -> str:
    assert verdict.since is not None
    assert verdict.until is not None
    return f"the window is {show_time(verdict.since)} to {show_time(verdict.until)}"


def told(webhook: "Webhook | None", verdict: Verdict, destination: str) -> bool | None:
    """Whether the webhook was told of the breaches; None where there was no need to.

    Where it was not, that is one line on stderr: the verdict stays what it is.
    """
    if webhook is None or not verdict.breaches:
        return None
    reason = webhook.post(message(verdict, destination))
    if reason:
        error_console().print(f"The webhook was not told: {reason}.".replace("?.", "?"))
    return reason is None


def message(verdict: Verdict, destination: str) -> str:
    """What is posted of the breaches."""
    return "\n".join(_message_lines(verdict.breaches, destination))


def _message_lines(breaches: Sequence[Finding], destination: str) -> Iterator[str]:
    count = "1 breach" if len(breaches) == 1 else f"{len(breaches):,} breaches"
    yield f"bedrock-async-etl check: {count} in {destination}"
    for finding in breaches[:SHOWN]:
        yield f"- {finding.line}"
    if len(breaches) > SHOWN:
        yield f"and {len(breaches) - SHOWN:,} more"
