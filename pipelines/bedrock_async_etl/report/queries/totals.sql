-- One row per period, account, region and model: what became of those submitted in it.
with parts as (
    select account, region, model, since_ms, invocations, completed, failed
    from whole('bedrock_analytics.failure_rate_daily')

    union all

    select
        account,
        region,
        model,
        since_ms,
        count(*) as invocations,
        count(*) filter (where status = 'Completed') as completed,
        count(*) filter (where status = 'Failed') as failed
    from report_cut
    group by all
)

select
    periods.cohort,
    parts.account,
    parts.region,
    parts.model,
    cast(sum(parts.invocations) as bigint) as invocations,
    cast(sum(parts.completed) as bigint) as completed,
    cast(sum(parts.failed) as bigint) as failed
from parts
inner join report_periods as periods
    on parts.since_ms >= periods.from_ms
    and parts.since_ms < periods.until_ms
group by all
order by all
