-- One row per account, region, model and hour (UTC) in which invocations ended: how they ended,
-- whenever they were submitted. Those without a time of submission are left out.
--
-- end_hour: start of the hour
-- completed: invocations that were Completed in the hour
-- failed: invocations that Failed in the hour
-- dated by: end_hour
with

-- Hours since 0001-01-01: integer division rounds negative numbers towards 0.
terminal as (
    select
        account_id,
        region,
        model_id,
        is_failed,
        (epoch_us(submit_time) + 62135596800000000) // 3600000000 as submit_hour,
        (epoch_us(end_time) + 62135596800000000) // 3600000000 as hour_number
    from bedrock_analytics.invocations
    where is_terminal
),

-- What ended on another date than that of its submission is in flights.
ended as (
    select
        account_id,
        region,
        model_id,
        hour_number,
        is_failed
    from terminal
    where hour_number // 24 = submit_hour // 24

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
