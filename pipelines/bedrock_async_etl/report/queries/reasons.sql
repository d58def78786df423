-- One row per period, account, region, model and failure category: how many failed for it.
with parts as (
    select account, region, model, since_ms, failure_category, failed
    from whole('bedrock_analytics.failure_reasons_daily')

    union all

    select account, region, model, since_ms, failure_category, count(*) as failed
    from report_cut
    where status = 'Failed'
    group by all
)

select
    periods.cohort,
    parts.account,
    parts.region,
    parts.model,
    parts.failure_category as category,
    cast(sum(parts.failed) as bigint) as failed
from parts
inner join report_periods as periods
    on not periods.is_previous
    and parts.since_ms >= periods.from_ms
    and parts.since_ms < periods.until_ms
group by all
order by all
