"""The rules: one of the same name for each threshold, with what it reads and what is a breach."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final

from bedrock_async_etl.check.facts import Facts
from bedrock_async_etl.check.thresholds import Thresholds
from bedrock_async_etl.check.verdict import ALL, ALL_OTHERS, DATA, Finding, Outcome
from bedrock_async_etl.formatting import format_duration, format_time
from bedrock_async_etl.models.statistics import statistic
from bedrock_async_etl.status import Row, read_rows

SUBMITTED: Final = """
select
    'model' as cohort,
    null as account_id,
    null as region,
    coalesce(model_id, model_arn) as model_id,
    null as submit_hour,
    null as submit_date,
    status,
    not is_open as is_settled,
    failure_fault
from bedrock_analytics.invocations
where submit_time >= $since and submit_time < $until
"""
"""The invocations of the window as members of a cohort, as `failure_rates` counts them."""
BY_SERVICE: Final = """
select
    * replace (
        if(status = 'Failed' and failure_fault is distinct from 'service', 'Completed', status)
            as status
    )
from ({submitted})
"""
"""The same, of which those have failed whose failure is the service's fault."""
SUBJECTS: Final = """
select
    'model' as cohort,
    null as account_id,
    null as region,
    coalesce(model_id, model_arn) as model_id,
    null as submit_date,
    if(latency_seconds is not null, [cast(round(1000 * latency_seconds) as bigint)], null)
        as latencies_ms,
    cast(round(1000 * age_seconds) as bigint) as age_ms
from bedrock_analytics.invocations
left join (select invocation_arn, age_seconds from bedrock_analytics.open_invocations)
    using (invocation_arn)
where submit_time >= $since and submit_time < $until
"""
"""The same as subjects of the estimate, as `survivals` has them."""

FAILURE_RATES: Final = """
select
    model_id,
    completed + failed as terminal,
    failed,
    failure_rate as rate,
    failure_rate_low as low,
    failure_rate_high as high
from ({failure_rates})
order by model_id
"""
OTHERS: Final = """
union all
select * replace (null as model_id) from submitted where not list_contains($named, model_id)
"""
"""Adds all models without a threshold of their own, as one; it comes last."""

SURVIVALS: Final = """
select model_id, ended, still_open, p95, longest
from ({survivals})
order by model_id
"""

OPEN: Final = """
with limits as (
    select unnest($models) as model_id, unnest($limits) as max_age
),

still_open as (
    select
        coalesce(model_id, model_arn) as model_id,
        invocation_arn,
        age_seconds,
    from (from bedrock_analytics.invocations where is_open and not is_vanished)
    inner join (select invocation_arn, age_seconds from bedrock_analytics.open_invocations)
        using (invocation_arn)
    where age_seconds is not null
)

select
    model_id,
    count(*) as still_open,
    count(*) filter (where age_seconds > coalesce(max_age, $general)) as too_old,
    max(age_seconds) as oldest_age,
    min_by(invocation_arn, (-age_seconds, invocation_arn)) as oldest_arn,
from still_open
left join limits using (model_id)
group by all
order by model_id
"""


def apply_rules(facts: Facts, thresholds: Thresholds) -> list[Finding]:
    """Compare the facts with each threshold that there is."""
    rules = {name: rule for name, rule in RULES.items() if name in thresholds.limits}
    findings = [*_unknown_models(facts, thresholds)]
    if rules.keys() & OF_WINDOW:
        findings = [*_no_data(facts, thresholds), *findings]
    for name, rule in rules.items():
        found = list(rule(facts, thresholds))
        findings += found
        if name in OF_WINDOW:
            findings += _absent_models(name, facts, thresholds, found)
    return findings


def failure_rate(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """Of each model, and once more of all under the general threshold.

    Many small samples together can be proof where none of them is.
    """
    return _rates("failure_rate", SUBMITTED, facts, thresholds)


def service_failure_rate(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """The same of failures by the service's fault. Those of an unknown category are nobody's."""
    by_service = BY_SERVICE.format(submitted=SUBMITTED)
    return _rates("service_failure_rate", by_service, facts, thresholds)


def _rates(rule: str, members: str, facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    limits = thresholds.limits[rule]
    submitted = f"with submitted as ({members}) from submitted {OTHERS}"
    rates = read_rows(
        facts.connection,
        FAILURE_RATES.format(failure_rates=statistic("failure_rates", members=submitted)),
        since=facts.since,
        until=facts.until,
        named=list(limits.by_model),
    )
    of_models = [rate for rate in rates if rate["model_id"] is not None]
    for rate in of_models:
        if (limit := limits.of(rate["model_id"])) is not None:
            yield _rate(rule, rate["model_id"], rate, limit, thresholds.is_strict)
    others = [rate for rate in of_models if rate["model_id"] not in limits.by_model]
    if limits.general is not None and len(others) > 1:
        subject = ALL if len(others) == len(of_models) else ALL_OTHERS
        yield _rate(rule, subject, rates[-1], limits.general, thresholds.is_strict)


def _rate(rule: str, subject: str, rate: Row, limit: float, is_strict: bool) -> Finding:
    failed, terminal, value, low = (rate[name] for name in ("failed", "terminal", "rate", "low"))
    if not terminal:
        return Finding(rule, subject, "inconclusive", "none has ended", None, limit, 0)
    text = (
        f"{_share(value)} ({_share(low)} to {_share(rate['high'])}), "
        f"{failed:,} of {terminal:,} failed; at most {_share(limit)}"
    )
    outcome: Outcome = "ok"
    if low > limit or (is_strict and value > limit):
        outcome = "breach"
    elif value > limit:
        outcome = "inconclusive"
        text += f": above the threshold, but {failed:,} of {terminal:,} is too small a sample"
    evidence = {name: rate[name] for name in ("low", "high", "failed", "terminal")}
    return Finding(rule, subject, outcome, text, value, limit, terminal, evidence)


def p95(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """Of each model's invocations in the window; those that are still open count, too."""
    query = SURVIVALS.format(survivals=statistic("survivals", subjects=SUBJECTS))
    for survival in read_rows(facts.connection, query, since=facts.since, until=facts.until):
        limit = thresholds.limits["p95"].of(survival["model_id"])
        if limit is not None:
            yield _p95(survival, limit)


def _p95(survival: Row, limit: float) -> Finding:
    """A curve that does not come down to 5 % has its p95 beyond the longest duration there is."""
    value, ended, still_open = survival["p95"], survival["ended"], survival["still_open"]
    least = value if value is not None else survival["longest"]
    text = _seconds(least) if value is not None else f"at least {_seconds(least)}"
    outcome: Outcome = "breach" if least > limit else "ok"
    if value is None and outcome == "ok":
        outcome, text = "inconclusive", f"not known yet, {text}"
    text += f", {ended:,} ended, {still_open:,} open; at most {_seconds(limit)}"
    evidence = {name: survival[name] for name in ("ended", "still_open", "longest")}
    model_id, size = survival["model_id"], ended + still_open
    return Finding("p95", model_id, outcome, text, value, limit, size, evidence)


def open_age(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """Of each model that has open invocations, whenever they were submitted."""
    limits = thresholds.limits["open_age"]
    models, values = list(limits.by_model), list(limits.by_model.values())
    found = read_rows(facts.connection, OPEN, models=models, limits=values, general=limits.general)
    checked = [each for each in found if limits.of(each["model_id"]) is not None]
    for each in checked:
        yield _open_age(each, limits.by_model.get(each["model_id"], limits.general or 0))
    if not checked:
        yield Finding("open_age", ALL, "ok", "none is open", None, limits.general, 0)


def _open_age(found: Row, limit: float) -> Finding:
    oldest, most = format_duration(found["oldest_age"]), format_duration(limit)
    count = f"{found['still_open']:,}"
    text = f"{count} open, the oldest for {oldest}; at most {most}"
    if found["too_old"]:
        text = (
            f"{found['too_old']:,} of {count} open for longer than {most}, "
            f"the oldest for {oldest}: {found['oldest_arn']}"
        )
    return Finding(
        "open_age",
        found["model_id"],
        "breach" if found["too_old"] else "ok",
        text,
        found["oldest_age"],
        limit,
        found["still_open"],
        {name: found[name] for name in ("too_old", "oldest_arn")},
    )


def lag(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """Of each scope, and of the models: the other rules see no further than these do."""
    limit = thresholds.limits["lag"].general or 0
    for run in facts.runs:
        yield _lag(run, limit, facts.now)
    if facts.modelled_at is not None:
        modelled_at = datetime.fromtimestamp(facts.modelled_at, UTC)
        outcome, age, ago = _compared(modelled_at, limit, facts.now)
        remedy = ": rebuild them with `models`" if outcome == "breach" else ""
        text = f"they were built from what was loaded {ago}{remedy}"
        yield Finding("lag", "the models", outcome, text, age, limit)


def _lag(run: Row, limit: float, now: datetime) -> Finding:
    scope = f"{run['account_id']}/{run['region']}"
    is_failing = run["last_outcome"] == "failed"
    error = " ".join((run["last_error"] or "").split()) if is_failing else None
    evidence = {"last_success_at": run["last_success_at"], "last_error": error}
    failure = f"; the last run failed: {error}" if is_failing else ""
    if run["is_unread"]:
        failure = "; it is no longer read"
    if run["last_success_loaded_at"] is None:
        text = f"never succeeded{failure}"
        return Finding("lag", scope, "breach", text, None, limit, None, evidence)
    outcome, age, ago = _compared(run["last_success_loaded_at"], limit, now)
    text = f"the last successful run was {ago}{failure}"
    return Finding("lag", scope, outcome, text, age, limit, None, evidence)


def _compared(loaded_at: datetime, limit: float, now: datetime) -> tuple[Outcome, float, str]:
    age = max((now - loaded_at).total_seconds(), 0)
    ago = f"{format_duration(age)} ago; at most {format_duration(limit)}"
    return "breach" if age > limit else "ok", age, ago


RULES: Final = {
    rule.__name__: rule for rule in (failure_rate, service_failure_rate, p95, open_age, lag)
}
OF_WINDOW: Final = frozenset({"failure_rate", "service_failure_rate", "p95"})
"""Rules about what was submitted in the window, so nothing there is a finding, too."""


def _no_data(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """A breach where nothing has ended: nothing there can be said to be good."""
    if facts.ended:
        return
    text = "no run has succeeded yet, and there are no rows"
    if facts.since and facts.until:
        newest = _utc(facts.newest) if facts.newest else "an unknown time"
        text = (
            f"none that was submitted from {_utc(facts.since)} to the last successful run, "
            f"{_utc(facts.until)}, has ended; the newest was submitted at {newest}"
        )
    yield Finding(DATA, ALL, _emptiness(thresholds), text, sample_size=0)


def _unknown_models(facts: Facts, thresholds: Thresholds) -> Iterator[Finding]:
    """A model that has a threshold and was never called is most likely misspelled."""
    for model in sorted(thresholds.models.difference(facts.model_ids)):
        close = get_close_matches(model, facts.model_ids, 1)
        hint = f": is it {close[0]}?" if close else ""
        text = f"it has a threshold, but no invocation was ever of this model{hint}"
        yield Finding(DATA, model, _emptiness(thresholds), text, sample_size=0)


def _emptiness(thresholds: Thresholds) -> Outcome:
    return "inconclusive" if thresholds.allows_empty else "breach"


def _absent_models(
    rule: str, facts: Facts, thresholds: Thresholds, findings: Sequence[Finding]
) -> Iterator[Finding]:
    """Models that are known and have a threshold, but nothing in the window."""
    by_model, found = thresholds.limits[rule].by_model, {each.subject for each in findings}
    for model in sorted(by_model.keys() & set(facts.model_ids) - found):
        text = "none was submitted in the window"
        yield Finding(rule, model, "inconclusive", text, None, by_model[model], 0)


def _share(share: float) -> str:
    """In per cent, to the hundredth."""
    return f"{round(100 * share, 2):g} %"


def _seconds(seconds: float) -> str:
    """To the tenth, as the models are shown."""
    return f"{round(seconds, 1):,.15g} s"


def _utc(time: datetime) -> str:
    """To the second; the database's times are in UTC."""
    return f"{format_time(time)} UTC"
