"""The rules: one of the same name for each threshold, with what it reads and what is a breach."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import partial
from typing import Final

from bedrock_async_etl.check.facts import Facts
from bedrock_async_etl.check.queries import MOST, OPEN, failure_rates_query, survivals_query
from bedrock_async_etl.check.thresholds import Limits, Thresholds
from bedrock_async_etl.check.verdict import ALL, ALL_OTHERS, DATA, Finding, Outcome
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.formatting import (
    format_duration,
    format_latency,
    format_time,
    incident_message,
)
from bedrock_async_etl.status import OPEN_INCIDENTS, Row, late_remedy, read_model, read_rows


def apply_rules(facts: Facts, thresholds: Thresholds) -> list[Finding]:
    """Compare the facts with each threshold that there is."""
    rules = {name: rule for name, rule in RULES.items() if name in thresholds.limits}
    findings = [*_unknown_models(facts, thresholds)]
    if rules.keys() & OF_WINDOW:
        findings = [*_no_data(facts, thresholds), *_unread(facts), *findings]
    for name, rule in rules.items():
        found = list(rule(facts, thresholds))
        findings += found
        if name in OF_WINDOW:
            findings += _absent_models(name, facts, thresholds, found)
    return findings


def failure_rate(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """A finding per group, by default a model, and one of all under the general threshold.

    Many small samples together can be proof where none of them is.
    """
    remedy = "see with `report` what the reasons are and when they began"
    return _rates("failure_rate", "is_failed", remedy, facts, thresholds)


def service_failure_rate(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """The same for failures by the service's fault; an unknown category is nobody's fault."""
    by_service = "is_failed and failure_fault is not distinct from 'service'"
    remedy = "see https://health.aws.amazon.com, and submit again what failed"
    return _rates("service_failure_rate", by_service, remedy, facts, thresholds)


def _rates(
    rule: str, is_failed: str, remedy: str, facts: Facts, thresholds: Thresholds
) -> Iterator[Finding]:
    limits = thresholds.limits[rule]
    rates = _of_window(failure_rates_query(thresholds.per, is_failed), facts, thresholds, limits)
    each = [rate for rate in rates if rate["cohort"] == "each"]
    others = [rate for rate in each if rate["model_id"] not in limits.by_model]
    judged = [(rate, limits.of(rate["model_id"])) for rate in each]
    if len(others) != 1:
        judged += [(rate, limits.general) for rate in rates if rate["cohort"] == "together"]
    for rate, limit in judged:
        if limit is not None:
            finding = _rate(rule, _subject(rate, limits), rate, limit, thresholds.is_strict)
            finding = replace(finding, remedy=remedy)
            yield _located(facts, limits, is_failed, "failures", rate, finding)


def _of_window(query: str, facts: Facts, thresholds: Thresholds, limits: Limits) -> list[Row]:
    return read_rows(
        facts.connection,
        query,
        since=facts.since,
        until=facts.until,
        named=list(limits.by_model),
        is_each=thresholds.per != "all",
    )


def _subject(row: Row, limits: Limits) -> str:
    """The model, after its account and region where each has its own group."""
    if row["model_id"] is None:
        return ALL_OTHERS if limits.by_model else ALL
    place = "/".join(row[name] for name in ("account_id", "region") if row[name])
    return f"{place} {row['model_id']}".strip()


def _located(
    facts: Facts, limits: Limits, is_counted: str, noun: str, row: Row, finding: Finding
) -> Finding:
    """A breach with the start of its window, and the scope with most of what is counted."""
    if finding.outcome != "breach" or facts.since is None:
        return finding
    text = f"{finding.text}; submitted since {_utc(facts.since)}"
    if row["account_id"] is None:
        values = {"since": facts.since, "until": facts.until, "named": list(limits.by_model)}
        values |= {"region": row["region"], "model_id": row["model_id"]}
        for most in read_rows(facts.connection, MOST.format(is_counted=is_counted), **values):
            text += f", most {noun} in {most['scope']} ({most['number']:,})"
    return replace(finding, text=text)


def _rate(rule: str, subject: str, rate: Row, limit: float, is_strict: bool) -> Finding:
    failed, terminal, value, low = (rate[name] for name in ("failed", "terminal", "rate", "low"))
    still_open = rate["still_open"]
    if not terminal:
        text = "none has ended"
        return Finding(
            rule, subject, "inconclusive", text, None, limit, 0, model_id=rate["model_id"]
        )
    opened = f", {still_open:,} open" if still_open else ""
    text = (
        f"{_share(value)} (95 % interval {_share(low)} to {_share(rate['high'])}), "
        f"{failed:,} of {terminal:,} failed{opened}; at most {_share(limit)}"
    )
    outcome: Outcome = "ok"
    if low > limit or (is_strict and value > limit):
        outcome = "breach"
    elif value > limit:
        outcome = "inconclusive"
        text += ": above the threshold, but the interval reaches below it"
    evidence = {name: rate[name] for name in ("low", "high", "failed", "terminal", "still_open")}
    return Finding(rule, subject, outcome, text, value, limit, terminal, evidence, rate["model_id"])


def p95(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """p95 of each model's invocations in the window, open ones included."""
    limits = thresholds.limits["p95"]
    for survival in _of_window(survivals_query(thresholds.per), facts, thresholds, limits):
        limit = limits.of(survival["model_id"])
        if limit is not None:
            finding = _p95(_subject(survival, limits), survival, limit, thresholds.is_strict)
            is_slow = f"latency_seconds > {limit}"
            yield _located(facts, limits, is_slow, "slow ones", survival, finding)


def _p95(subject: str, survival: Row, limit: float, is_strict: bool) -> Finding:
    """The finding of a group. A p95 that the curve does not reach is beyond all durations."""
    value, ended, still_open = survival["p95"], survival["ended"], survival["still_open"]
    least, low = (
        survival["longest"] if survival[name] is None else survival[name]
        for name in ("p95", "p95_low")
    )
    outcome: Outcome = "ok"
    text = format_latency(least) if value is not None else f"at least {format_latency(least)}"
    if low > limit or (is_strict and least > limit):
        outcome = "breach"
    elif value is None or least > limit:
        outcome = "inconclusive"
    upper = f"to {format_latency(survival['p95_high'])}" if survival["p95_high"] else "or more"
    text += f" (95 % interval {format_latency(low)} {upper}), {ended:,} ended, {still_open:,} open"
    text += f"; at most {format_latency(limit)}"
    if outcome == "inconclusive":
        text += (
            ": above the threshold, but the interval reaches below it"
            if least > limit
            else ": not known yet"
        )
    names = ("p95_low", "p95_high", "ended", "still_open", "longest")
    evidence = {name.removeprefix("p95_"): survival[name] for name in names}
    return Finding(
        "p95",
        subject,
        outcome,
        text,
        value,
        limit,
        ended + still_open,
        evidence,
        survival["model_id"],
        remedy="compare how many were in flight with the model's quota (`report --quota`)",
    )


def open_age(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """Age of each model's open invocations, whenever they were submitted."""
    limits = thresholds.limits["open_age"]
    models, values = list(limits.by_model), list(limits.by_model.values())
    found = read_rows(facts.connection, OPEN, models=models, limits=values, general=limits.general)
    yield from _of_open("open_age", limits, found, _open_age)


def _of_open(
    rule: str, limits: Limits, found: Sequence[Row], finding: Callable[[Row, float], Finding]
) -> list[Finding]:
    """The finding of each row whose model has a threshold, or one that nothing is open."""
    limited = [(each, limits.of(each["model_id"])) for each in found]
    findings = [finding(each, limit) for each, limit in limited if limit is not None]
    subject = ALL if limits.general is not None else ", ".join(sorted(limits.by_model))
    none_open = Finding(rule, subject, "ok", "none is open", None, limits.general, 0)
    return findings or [none_open]


def _open_age(found: Row, limit: float) -> Finding:
    oldest, most = format_duration(found["oldest_age"]), format_duration(limit)
    count = f"{found['still_open']:,}"
    text = f"{count} open, the oldest for {oldest}; at most {most}"
    if found["too_old"]:
        text = (
            f"{found['too_old']:,} of {count} open for longer than {most}, "
            f"the oldest for {oldest}, since {_utc(found['oldest_at'])}: {found['oldest_arn']}"
        )
    if found["is_stalled"]:
        text += "; none has ended in 24 h"
    return Finding(
        "open_age",
        found["model_id"],
        "breach" if found["too_old"] else "ok",
        text,
        found["oldest_age"],
        limit,
        found["still_open"],
        {name: found[name] for name in ("too_old", "oldest_arn")},
        remedy="submit it again, since no call cancels it, and ask AWS Support about the ARN",
    )


def incident(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """One finding for each open incident, or one that there is none.

    Raises `CommandError` where an older version built the models.
    """
    limits = thresholds.limits["incident"]
    found = read_model(facts.connection, OPEN_INCIDENTS)
    if found is None:
        raise CommandError("There is no model of incidents yet: build it with `models`.")
    finding = partial(_incident, facts.until or facts.now)
    yield from _of_open("incident", limits, found, finding)


def _incident(until: datetime, found: Row, limit: float) -> Finding:
    seconds = (until - found["started_at"]).total_seconds()
    counts = ("started_at", "scopes", "accounts", "failed", "excess_failed")
    return Finding(
        "incident",
        found["model_id"],
        "breach" if seconds > limit else "ok",
        f"{incident_message(found)}; open for {format_duration(seconds)}, at most "
        f"{format_duration(limit)}",
        seconds,
        limit,
        found["terminal"],
        {name: found[name] for name in (*counts, "failure_category", "example_arn")},
        remedy="see with `report` what failed; the example's message is in bedrock.async_invokes",
    )


def lag(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """Lag of each scope, and of the models: the other rules see no further."""
    limit = thresholds.limits["lag"].general or 0
    for run in facts.runs:
        yield _lag(run, limit, facts.now)
    if facts.modelled_at is not None:
        modelled_at = datetime.fromtimestamp(facts.modelled_at, UTC)
        outcome, age, ago = _compared(modelled_at, limit, facts.now)
        text = f"they were built from what was loaded {ago}"
        remedy = "rebuild them with `models`"
        yield Finding("lag", "the models", outcome, text, age, limit, remedy=remedy)


def _lag(run: Row, limit: float, now: datetime) -> Finding:
    scope = _scope(run)
    is_failing = run["last_outcome"] == "failed"
    error = " ".join((run["last_error"] or "").split()) if is_failing else None
    evidence = {"last_success_at": run["last_success_at"], "last_error": error}
    failure = f"; the last run failed: {error}" if is_failing else ""
    if run["is_unread"]:
        failure = "; it is no longer read"
    outcome: Outcome = "breach"
    age, text = None, f"never succeeded{failure}"
    if run["last_success_loaded_at"] is not None:
        outcome, age, ago = _compared(run["last_success_loaded_at"], limit, now)
        text = f"the last successful run was {ago}{failure}"
    remedy = late_remedy(run)
    return Finding("lag", scope, outcome, text, age, limit, None, evidence, remedy=remedy)


def _compared(loaded_at: datetime, limit: float, now: datetime) -> tuple[Outcome, float, str]:
    age = max((now - loaded_at).total_seconds(), 0)
    outcome: Outcome = "breach" if age > limit else "ok"
    at = f", at {_utc(loaded_at)}" if outcome == "breach" else ""
    return outcome, age, f"{format_duration(age)} ago{at}; at most {format_duration(limit)}"


RULES: Final = {
    rule.__name__: rule
    for rule in (failure_rate, service_failure_rate, p95, open_age, incident, lag)
}
OF_WINDOW: Final = frozenset({"failure_rate", "service_failure_rate", "p95"})
"""Rules about submissions in the window: an empty window is a finding, too."""
READ_TOGETHER: Final = timedelta(minutes=5)
"""Scopes read within this time of each other count as read up to the same time."""


def _no_data(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """A breach where nothing has ended, so that nothing is known to be good."""
    if facts.ended:
        return
    text = "no run has succeeded yet, and there are no rows"
    if facts.since and facts.until:
        newest = _utc(facts.newest) if facts.newest else "an unknown time"
        text = (
            f"none that was submitted from {_utc(facts.since)} to the last successful run, "
            f"{_utc(facts.until)}, has ended; the newest was submitted at {newest}"
        )
    remedy = "see with `status` whether every account and region is read"
    yield Finding(DATA, ALL, _emptiness(thresholds), text, sample_size=0, remedy=remedy)


def _unknown_models(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """A model that has a threshold and was never called is most likely misspelled."""
    for model in sorted(thresholds.models.difference(facts.model_ids)):
        close = get_close_matches(model, facts.model_ids, 1)
        text = "it has a threshold, but this model has never been invoked"
        remedy = f"correct the model's id{f', which may be {close[0]}' if close else ''}"
        yield Finding(DATA, model, _emptiness(thresholds), text, sample_size=0, remedy=remedy)


def _emptiness(thresholds: Thresholds) -> Outcome:
    return "inconclusive" if thresholds.allows_empty else "breach"


def _unread(facts: Facts) -> Iterator[Finding]:
    """Scopes not read up to the end of the window, which lacks their failures."""
    for run in facts.runs:
        read_until = run["last_success_at"]
        if facts.until and not (read_until and facts.until - read_until <= READ_TOGETHER):
            last = f"it was read last at {_utc(read_until)}" if read_until else "it was never read"
            text = f"{last}, so the window lacks what came since"
            yield Finding(DATA, _scope(run), "inconclusive", text)


def _absent_models(
    rule: str, facts: Facts, thresholds: Thresholds, findings: Sequence[Finding]
) -> Iterator[Finding]:
    """Models that are known and have a threshold, but nothing in the window."""
    by_model = thresholds.limits[rule].by_model
    found = {each.model_id for each in findings}
    for model in sorted(by_model.keys() & set(facts.model_ids) - found):
        text = "none was submitted in the window"
        yield Finding(rule, model, "inconclusive", text, None, by_model[model], 0)


def _scope(run: Row) -> str:
    return f"{run['account_id']}/{run['region']}"


def _share(share: float) -> str:
    """In per cent, to the hundredth."""
    return f"{round(100 * share, 2):g} %"


def _utc(time: datetime) -> str:
    """To the second; the database's times are in UTC."""
    return f"{format_time(time)} UTC"
