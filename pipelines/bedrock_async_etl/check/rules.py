"""The rules: facts and thresholds to findings. Nothing is read here."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from difflib import get_close_matches

from bedrock_async_etl.check.ages import lags, open_ages
from bedrock_async_etl.check.facts import Facts
from bedrock_async_etl.check.failure_rates import failure_rates
from bedrock_async_etl.check.percentiles import percentiles
from bedrock_async_etl.check.quantities import show_time
from bedrock_async_etl.check.thresholds import Limits, Thresholds
from bedrock_async_etl.check.verdict import ALL, Finding, Outcome, Rule, Verdict


def judge(facts: Facts, thresholds: Thresholds, now: datetime) -> Verdict:
    """Hold the facts against the thresholds; `now` is by this machine's clock."""
    limits = thresholds.failure_rate
    rates = list(failure_rates(facts.outcomes, limits, is_strict=thresholds.is_strict))
    p95s = list(percentiles(facts.survivals, thresholds.p95))
    findings = [
        *_no_data(facts, thresholds),
        *_unknown_models(facts, thresholds),
        *rates,
        *_absent("failure_rate", thresholds.failure_rate, facts, rates),
        *p95s,
        *_absent("p95", thresholds.p95, facts, p95s),
        *open_ages(facts.still_open, thresholds.open_age),
    ]
    if thresholds.lag is not None:
        findings += lags(facts, thresholds.lag, now.timestamp())
    return Verdict(findings, facts.since, facts.until)


def _no_data(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """Where nothing has ended, nothing was good."""
    if not thresholds.need_data or any(each.terminal for each in facts.outcomes):
        return
    text = "no scope was ever read whole, and there are no rows"
    if facts.since and facts.until:
        newest = show_time(facts.newest) if facts.newest else "no time that is known"
        text = (
            f"none that was submitted from {show_time(facts.since)} to the last good run, "
            f"{show_time(facts.until)}, has ended; the newest was submitted at {newest}"
        )
    yield Finding("data", ALL, _emptiness(thresholds), text, sample_size=0)


def _unknown_models(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """A model that is named and was never called is a slip of the pen most likely."""
    for model in sorted(thresholds.models - facts.model_ids):
        close = get_close_matches(model, facts.model_ids, 1)
        hint = f": is it {close[0]}?" if close else ""
        text = f"it has a threshold, but no invocation was ever of this model{hint}"
        yield Finding("data", model, _emptiness(thresholds), text, sample_size=0)


def _emptiness(thresholds: Thresholds) -> Outcome:
    return "untold" if thresholds.allows_empty else "breach"


def _absent(
    rule: Rule, limits: Limits, facts: Facts, findings: Sequence[Finding]
) -> Iterator[Finding]:
    """Models that are named, and known, but have nothing in the window."""
    judged = {finding.subject for finding in findings}
    for model in sorted(limits.by_model.keys() & facts.model_ids - judged):
        text = "none was submitted in the window"
        yield Finding(rule, model, "untold", text, None, limits.by_model[model], 0)
