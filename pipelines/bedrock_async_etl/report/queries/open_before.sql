-- One row per previous period, account, region and model: what was open and stuck as it ended.
with

spans as (
    select
        account,
        region,
        model,
        model_id,
        epoch_ms(submit_time) as submitted_ms,
        if(is_vanished, submitted_ms + age_ms, null) as gone_ms
    from keyed('bedrock_analytics.open_ages')

    union all

    select account, region, model, model_id, submitted_ms, gone_ms
    from keyed('bedrock_analytics.overnight_invocations')
    where is_ended

    union all

    -- The others ended on the date of their submission, which matters where a period cuts it.
    select account, region, model, model_id, submitted_ms, gone_ms
    from report_cut
    where submitted_ms // 86_400_000 = gone_ms // 86_400_000
)

select
    periods.cohort,
    spans.account,
    spans.region,
    spans.model,
    count(*) as open_invocations,
    count(*) filter (
        where typical.ended >= 30
        and periods.until_ms - spans.submitted_ms > 3000 * typical.p99
    ) as stuck
from spans
inner join report_periods as periods
    on periods.is_previous
    and spans.submitted_ms < periods.until_ms
    and coalesce(spans.gone_ms >= periods.until_ms, true)
left join bedrock_analytics.recent_survivals as typical
    on typical.cohort = 'typical'
    and spans.model_id is not distinct from typical.model_id
group by all
order by all
