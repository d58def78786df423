-- One row per account, region, model and hour (UTC) in which invocations ended: how they ended,
-- whenever they were submitted. Those without a time of submission are left out.
--
-- end_hour: start of the hour
-- completed: invocations that were Completed in the hour
-- failed: invocations that Failed in the hour
-- dated by: end_hour
with

-- What ended on another date than that of its submission is in flights. Hours are counted from the
-- year 1 on, as a division of negative numbers rounds towards 0.
ended as (
    select
        account_id,
        region,
        model_id,
        (epoch_us(end_time) + 62135596800000000) // 3600000000 as hour_number,
        is_failed
    from bedrock_analytics.invocations
    where
        is_terminal
        and epoch_us(end_time) // 86400000000 = epoch_us(submit_time) // 86400000000

    union all

    select
        account_id,
        region,
        model_id,
        (epoch_us(end_time) + 62135596800000000) // 3600000000 as hour_number,
        status = 'Failed' as is_failed
    from bedrock_analytics.flights
    where is_ended and status in ('Completed', 'Failed')
)

select
    account_id,
    region,
    model_id,
    cast('0001-01-01 00:00:00+00' as timestamptz) + hour_number * interval '1' hour as end_hour,
    count(*) filter (where not is_failed) as completed,
    count(*) filter (where is_failed) as failed
from ended
group by account_id, region, model_id, hour_number
