-- One row per account, region, model, status, failure category and bin: how many were submitted.
--
-- status: completed, failed, open, or other for what vanished or ended otherwise
with counted as (
    select
        account_id,
        region,
        model_id,
        case
            when is_failed then 'failed'
            when is_terminal then 'completed'
            when is_open then 'open'
            else 'other'
        end as status,
        failure_category,
        failure_fault,
        hour_part(submit_time) as hour_part,
        count(*) as invocations
    from bedrock_analytics.invocations
    where submit_date >= cast(epoch_ms(getvariable('before_ms')) as date)
    group by all
)

select
    counted.* exclude (hour_part, invocations),
    parts.counted as bin,
    cast(sum(counted.invocations) as bigint) as invocations
from counted
inner join report_parts as parts using (hour_part)
group by all
