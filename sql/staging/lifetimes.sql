-- One row per invocation: the few columns that rates, latencies and levels are computed from.
--
-- submitted_ms: when it was submitted, milliseconds since 1970
-- gone_ms: when it left flight, because it ended or vanished; null where that is unknown
-- latency_ms: end_time - submit_time, milliseconds; null unless terminal with an end_time
-- age_ms: how long an open one has run, milliseconds; null unless open
-- is_recent: submitted within the 30 days before the newest successful run of any scope
with

newest as (
    select max(as_of) as as_of
    from bedrock_analytics.scopes
),

timed as (
    select
        *,
        date_diff(
            'millisecond', cast('1970-01-01 00:00:00+00' as timestamptz), submit_time
        ) as submitted_ms,
        cast(round(latency_seconds * 1000) as bigint) as latency_ms,
        cast(round(age_seconds * 1000) as bigint) as age_ms
    from bedrock_analytics.invocations
)

select
    timed.account_id,
    timed.region,
    timed.model_id,
    timed.submit_date,
    timed.submit_hour,
    timed.status,
    timed.is_open,
    timed.submitted_ms,
    case
        when timed.is_vanished then timed.submitted_ms + timed.age_ms
        when not timed.is_open
            then timed.submitted_ms + date_diff('millisecond', timed.submit_time, timed.end_time)
    end as gone_ms,
    timed.latency_ms,
    timed.age_ms,
    coalesce(timed.submit_time >= newest.as_of - interval '720' hour, false) as is_recent
from timed
cross join newest
