"""Changes of a period against the one before: of failures, latency, incidents, what is stuck."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal

from bedrock_async_etl.check.facts import Facts
from bedrock_async_etl.check.rules import RULES
from bedrock_async_etl.check.thresholds import Limits, Thresholds
from bedrock_async_etl.check.verdict import Finding
from bedrock_async_etl.destinations import STALE_AFTER
from bedrock_async_etl.formatting import (
    format_count,
    format_duration,
    format_time,
    incident_message,
)
from bedrock_async_etl.models.statistics import statistic
from bedrock_async_etl.status import Row, read_rows

Kind = Literal["scope", "incident", "failure_rate", "p95", "reason", "stuck"]

MONTH: Final = timedelta(days=30)
"""A reason is new if no failure had it for this long."""
ENOUGH: Final = 30
"""Minimum finished invocations per period for a comparison, as for a model's `change`."""
UNLIMITED: Final = Thresholds(
    {"failure_rate": Limits(1), "p95": Limits(timedelta.max.total_seconds())}
)
"""Thresholds that nothing breaches, so that the rules only compute numbers."""
NUMBERS: Final[Mapping[Kind, tuple[str, str]]] = {
    "failure_rate": ("failure_z_score", "The failure risk"),
    "p95": ("latency_z_score", "The p95"),
}
"""By rule: the score of its test, and the number's name."""

SUBMITTED: Final = """
select
    coalesce(model_id, model_arn) as model_id,
    if(submit_time >= $since, 1, 0) as recent,
    (epoch_us(submit_time) - epoch_us($since)) // epoch_us($part) as submit_date,
    status,
    cast(round(1000 * latency_seconds) as bigint) as latency_ms,
    age_ms
from bedrock_analytics.invocations
left join (select invocation_arn, age_ms from bedrock_analytics.unmeasured_ages)
    using (invocation_arn)
where submit_time >= $before and submit_time < $until
"""
"""The invocations of both periods, in place of `edges` in `recent_changes`, from which its other
inputs are made; parts of a period take the place of dates.
"""
COUNTS: Final = """
select
    model_id,
    submit_date,
    recent,
    count(*) filter (where status = 'Completed') as completed,
    count(*) filter (where status = 'Failed') as failed
from edges
group by all
"""
DURATIONS: Final = """
select
    model_id,
    submit_date,
    recent,
    greatest(0, coalesce(latency_ms, age_ms)) as bucket,
    count(*) as invocations,
    count(latency_ms) as completed
from edges
where age_ms is not null or (status = 'Completed' and latency_ms is not null)
group by all
"""
"""Each latency has a bucket of its own."""

REASONS: Final = """
with reasons as (
    select
        model_id,
        coalesce(model_id, any_value(model_arn)) as name,
        failure_category,
        any_value(failure_fault) as failure_fault,
        count(*) as failed,
        count(distinct (account_id, region)) as scopes,
        mode(concat_ws('/', account_id, region)) as scope,
        min(submit_time) as first_seen,
        max_by(invocation_arn, (submit_time, invocation_arn)) as example_arn
    from bedrock_analytics.invocations
    where is_failed and submit_time >= $since and submit_time < $until
    group by model_id, failure_category
),

seen as (
    select distinct model_id, failure_category
    from bedrock_analytics.failure_reasons_daily
    where submit_date >= cast($since - $month as date) and first_seen < $since
),

ended as (
    select model_id, sum(completed + failed) as terminal_before
    from bedrock_analytics.failure_rate_hourly
    where submit_hour >= $since - $month and submit_hour < date_trunc('hour', $since)
    group by model_id
)

select
    reasons.* exclude (model_id, name),
    reasons.name as model_id,
    ended.terminal_before,
    seen.failure_category is null and coalesce(ended.terminal_before, 0) > 0 as is_new
from reasons
left join seen
    on reasons.model_id is not distinct from seen.model_id
    and reasons.failure_category = seen.failure_category
left join ended
    on reasons.model_id is not distinct from ended.model_id
order by reasons.name, reasons.failed desc, reasons.failure_category
"""
"""Failure reasons by model. One is new if the model had none in the 30 days before."""
LONGEST: Final = """
select
    coalesce(model_id, model_arn) as model_id,
    max(latency_seconds) as seconds,
    max_by(invocation_arn, latency_seconds) as example_arn
from bedrock_analytics.invocations
where submit_time >= $since and submit_time < $until and latency_seconds is not null
group by all
"""
INCIDENTS: Final = """
select
    incidents.* replace (coalesce(incidents.model_id, 'unknown') as model_id),
    faults.failure_fault
from bedrock_analytics.incidents
left join (
    select failure_category, any_value(failure_fault) as failure_fault
    from bedrock_analytics.failure_reasons_daily
    group by failure_category
) as faults
    on incidents.failure_category = faults.failure_category
where
    incidents.started_at < $until
    -- An end is known once a later hour was read.
    and (incidents.ended_at is null or incidents.ended_at > $since - interval 1 hour)
order by incidents.ended_at is not null, incidents.excess_failed desc, incidents.model_id
"""
STUCK: Final = """
with open_invocations as (
    select
        coalesce(model_id, 'unknown') as model_id,
        concat_ws('/', account_id, region) as scope,
        invocation_arn,
        age_seconds,
        typical_p99,
        submit_time + to_microseconds(cast(3e6 * typical_p99 as bigint)) >= $since as is_new
    from bedrock_analytics.open_invocations
    where is_stuck
)

select
    model_id,
    count(*) filter (where is_new) as stuck,
    count(*) filter (where not is_new) as stuck_before,
    any_value(typical_p99) as typical_p99,
    max(age_seconds) filter (where is_new) as age_seconds,
    max_by(scope, (age_seconds, invocation_arn)) filter (where is_new) as scope,
    max_by(invocation_arn, (age_seconds, invocation_arn)) filter (where is_new) as example_arn
from open_invocations
group by model_id
order by model_id
"""
"""An invocation is stuck at three times the typical latency."""
STALLED: Final = """
select coalesce(model_id, 'unknown') as model_id, open_invocations
from bedrock_analytics.model_summary
where is_stalled
order by model_id
"""

LOOK: Final = "`aws bedrock-runtime get-async-invoke --invocation-arn ARN` shows the message"
BY_FAULT: Final = {
    "client": f"Correct the request, its input, bucket, key or role: {LOOK}.",
    "service": "Submit again what is needed; if it goes on, give AWS support the example's ARN.",
    "content": f"Look at the prompts and inputs that a filter withheld: {LOOK}.",
    None: f"Find out why: {LOOK}.",
}


@dataclass(frozen=True)
class Change:
    """One thing that changed, or that is wrong for as long as it lasts."""

    kind: Kind
    subject: str
    """A model's id, a scope, or the models."""
    what: str
    """The change, its place and its start."""
    certainty: str
    next_step: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def find_changes(facts: Facts, before: Facts, part: timedelta) -> list[Change]:
    """Changes in a period against the one before, except those of scopes.

    Events in one `part` of a period count as one cause.
    """
    reasons = _of_period(REASONS, facts, month=MONTH)
    return [
        *_incidents(facts),
        *_numbers(facts, before, part, reasons),
        *(_new_reason(reason) for reason in reasons if reason["is_new"]),
        *_stuck(facts),
    ]


def _of_period(query: str, facts: Facts, **values: Any) -> list[Row]:
    return read_rows(facts.connection, query, since=facts.since, until=facts.until, **values)


def find_scopes(facts: Facts) -> Iterator[Change]:
    """Scopes and models that are behind, and scopes whose last run failed, as long as it lasts."""
    stale = Thresholds({"lag": Limits(STALE_AFTER.total_seconds())})
    for finding in RULES["lag"](facts, stale):
        is_failing = finding.evidence.get("last_error")
        if finding.outcome == "breach" or is_failing:
            text = finding.text.rstrip(".")
            what = f"{finding.subject}: {text}. What was submitted since is missing here."
            next_step = f"{finding.remedy[0].upper()}{finding.remedy[1:]}."
            certainty = "It is a fact of the runs."
            yield Change("scope", finding.subject, what, certainty, next_step, finding.evidence)


def _incidents(facts: Facts) -> Iterator[Change]:
    """Incidents that began, ended or go on in the period."""
    assert facts.since
    for incident in _of_period(INCIDENTS, facts):
        started, ended = incident["started_at"], incident["ended_at"]
        state = "began" if started >= facts.since else "goes on"
        if ended:
            state = "began and ended" if started >= facts.since else "ended"
        what = f"An incident of {incident['model_id']} {state}: {incident_message(incident)}."
        what += f" It ended at {format_time(ended)} UTC." if ended else ""
        certainty = "Of such incidents, 1 in 100 may be chance."
        yield Change(
            "incident",
            incident["model_id"],
            what,
            certainty,
            BY_FAULT.get(incident["failure_fault"], BY_FAULT[None]),
            {**incident, "state": state},
        )


def _numbers(
    facts: Facts, before: Facts, part: timedelta, reasons: Sequence[Row]
) -> Iterator[Change]:
    """Failure risks and p95 that changed beyond chance.

    The models' test says that a model changed, and intervals that do not overlap say which of its
    numbers did. The test allows for common causes, the intervals for small samples.
    """
    query = statistic("recent_changes", edges=SUBMITTED, counts=COUNTS, durations=DURATIONS)
    tests = _of_period(query, facts, before=before.since, part=part)
    changed = {test["model_id"]: test for test in tests if test["change"] in ("worse", "better")}
    details = {"failure_rate": _details(reasons), "p95": _longest(facts)}
    for rule, (score, _) in NUMBERS.items():
        now, then = (
            {each.subject: each for each in RULES[rule](window, UNLIMITED) if _is_known(each)}
            for window in (facts, before)
        )
        for model in sorted(now.keys() & then.keys() & changed.keys()):
            z_score = changed[model][score] or 0
            if _direction(now[model], then[model]) * z_score > 0:
                detail = details[rule].get(model, ("", BY_FAULT[None]))
                yield _number(rule, now[model], then[model], z_score, detail)


def _number(
    rule: Kind,
    now: Finding,
    then: Finding,
    z_score: float,
    detail: tuple[str, str],
) -> Change:
    verb = "rose" if z_score > 0 else "fell"
    what = (
        f"{NUMBERS[rule][1]} of {now.subject} {verb} to {_value(now)}; in the "
        f"same time before it was {_value(then)}. {detail[0]}"
    )
    return Change(
        rule,
        now.subject,
        what.strip(),
        "Beyond chance: the 95 % intervals of the two do not overlap, and the z-score is "
        f"{z_score:.1f} (chance seldom leaves -2.2 to 2.2).",
        detail[1] if z_score > 0 else "Nothing: it got better.",
        {
            "z_score": z_score,
            "value": now.value,
            **now.evidence,
            "before": {"value": then.value, **then.evidence},
        },
    )


def _is_known(finding: Finding) -> bool:
    """True for a number of one model with enough finished invocations."""
    finished = finding.evidence.get("terminal", finding.evidence.get("ended", 0))
    return finding.model_id is not None and finished >= ENOUGH


def _direction(now: Finding, then: Finding) -> int:
    """1 if a number is higher than it was, -1 if it is lower, 0 if their intervals overlap."""
    low, high = now.evidence["low"], now.evidence["high"]
    low_before, high_before = then.evidence["low"], then.evidence["high"]
    if None not in (low, high_before) and low > high_before:
        return 1
    return -1 if None not in (high, low_before) and high < low_before else 0


def _value(finding: Finding) -> str:
    """The value, its interval and sample, as `check` shows them, without a threshold."""
    return finding.text.rpartition("; at most ")[0]


def _details(reasons: Sequence[Row]) -> dict[str, tuple[str, str]]:
    """By model: why and where most of it failed, and what to do next."""
    return {
        reason["model_id"]: (
            f"Most failed by {reason['failure_category']}: {_failed(reason)}.",
            BY_FAULT.get(reason["failure_fault"], BY_FAULT[None]),
        )
        for reason in reversed(reasons)
    }


def _failed(reason: Row) -> str:
    most = "in" if reason["scopes"] == 1 else f"in {reason['scopes']:,} scopes, most in"
    return f"{reason['failed']:,} {most} {reason['scope']}, for example {reason['example_arn']}"


def _longest(facts: Facts) -> dict[str, tuple[str, str]]:
    """By model: its longest invocation, and what to do next."""
    return {
        row["model_id"]: (
            f"The longest took {format_duration(row['seconds'])}: {row['example_arn']}.",
            "See in which account, region and hours, in the page of `report`.",
        )
        for row in _of_period(LONGEST, facts)
    }


def _new_reason(reason: Row) -> Change:
    what = (
        f"{reason['model_id']} fails for a new reason, {reason['failure_category']}: "
        f"{_failed(reason)}. The first was submitted at {format_time(reason['first_seen'])} UTC."
    )
    return Change(
        "reason",
        reason["model_id"],
        what,
        f"It is a fact: of {reason['terminal_before']:,} that ended in the 30 days before, none "
        "failed for it.",
        BY_FAULT.get(reason["failure_fault"], BY_FAULT[None]),
        reason,
    )


def _stuck(facts: Facts) -> Iterator[Change]:
    """Invocations that became stuck in the period, and models of which nothing ends."""
    next_step = (
        "Submit it again if its output is needed, since AWS cannot cancel it; give AWS support the "
        "ARN."
    )
    for row in read_rows(facts.connection, STUCK, since=facts.since):
        if row["stuck"]:
            before = f" Stuck before: {row['stuck_before']:,}." if row["stuck_before"] else ""
            what = (
                f"{format_count(row['stuck'], 'invocation')} of {row['model_id']} became stuck, "
                f"the oldest open for {format_duration(row['age_seconds'])} in {row['scope']}: "
                f"{row['example_arn']}.{before}"
            )
            usual = format_duration(row["typical_p99"])
            certainty = f"99 % finish within {usual}; three times that is called stuck."
            yield Change("stuck", row["model_id"], what, certainty, next_step, row)
    for row in read_rows(facts.connection, STALLED):
        what = f"Nothing of {row['model_id']} ends: {row['open_invocations']:,} are open."
        certainty = "None has ended in 24 h, and at least 5 have been open for longer."
        yield Change("stuck", row["model_id"], what, certainty, next_step, row)
