-- One row per previous period, account, region and model: what was open and stuck as it ended.
select
    periods.cohort,
    lifetimes.account,
    lifetimes.region,
    lifetimes.model,
    count(*) as open_invocations,
    count(*) filter (
        where periods.until_ms - lifetimes.submitted_ms > 3000 * usual.latency_p99
    ) as stuck
from keyed('bedrock_analytics.lifetimes') as lifetimes
inner join report_periods as periods
    on periods.is_previous
    and lifetimes.submitted_ms < periods.until_ms
    and (lifetimes.is_open or lifetimes.gone_ms >= periods.until_ms)
left join bedrock_analytics.latencies as usual
    on usual.cohort = 'model'
    and lifetimes.model_id is not distinct from usual.model_id
group by all
order by all
