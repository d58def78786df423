-- One row per period and leaf: what was open and stuck as the period began.
with

spans as (
    select
        leaf,
        model_id,
        epoch_ms(submit_time) as submitted_ms,
        if(is_vanished, submitted_ms + age_ms, null) as gone_ms
    from keyed('bedrock_analytics.open_ages')

    union all

    select leaf, model_id, submitted_ms, gone_ms
    from keyed('bedrock_analytics.overnight_invocations')
    where is_ended

    union all

    -- The others ended on the date of their submission, which matters where a period begins on it.
    select
        leaf,
        model_id,
        epoch_ms(submit_time) as submitted_ms,
        epoch_ms(end_time) as gone_ms
    from keyed('bedrock_analytics.invocations')
    where
        submit_date in (select cast(epoch_ms(from_ms) as date) from report_periods)
        and not is_open
        and not is_vanished
        and submit_date = cast(end_time at time zone 'UTC' as date)
)

select
    periods.days,
    spans.leaf,
    count(*) as open_invocations,
    count(*) filter (
        where typical.ended >= 30
        and periods.from_ms - spans.submitted_ms > 3000 * typical.p99
    ) as stuck
from spans
inner join report_periods as periods
    on spans.submitted_ms < periods.from_ms
    and coalesce(spans.gone_ms >= periods.from_ms, true)
left join bedrock_analytics.recent_survivals as typical
    on typical.cohort = 'typical'
    and spans.model_id is not distinct from typical.model_id
group by all
order by all
