-- One row per account, region, model and hour (UTC) in which invocations ended: how they ended,
-- whenever they were submitted. Those without a time of submission are left out.
--
-- end_hour: start of the hour
-- completed: invocations that were Completed in the hour
-- failed: invocations that Failed in the hour
-- dated by: end_hour
with

-- What ended on another date than that of its submission is in flights.
ended as (
    select
        account_id,
        region,
        model_id,
        end_time,
        is_failed
    from bedrock_analytics.invocations
    where is_terminal and cast(end_time at time zone 'UTC' as date) = submit_date

    union all

    select
        account_id,
        region,
        model_id,
        end_time,
        status = 'Failed' as is_failed
    from bedrock_analytics.flights
    where is_ended and status in ('Completed', 'Failed')
)

select
    account_id,
    region,
    model_id,
    date_trunc('hour', end_time at time zone 'UTC') at time zone 'UTC' as end_hour,
    count(*) filter (where not is_failed) as completed,
    count(*) filter (where is_failed) as failed
from ended
group by
    account_id,
    region,
    model_id,
    date_trunc('hour', end_time at time zone 'UTC') at time zone 'UTC'
