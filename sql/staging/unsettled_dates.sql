-- One row per account, region and date of submission (UTC) of which more may still be listed, as the
-- scope was not read past its end.
--
-- settled_through: the hours of the date up to then are settled; null where none is
-- dated by: submit_date
with

read as (
    select
        account_id,
        region,
        date_trunc('hour', settled_through at time zone 'UTC') at time zone 'UTC'
            as settled_through
    from bedrock_analytics.scopes
)

select
    scope_days.account_id,
    scope_days.region,
    scope_days.submit_date,
    read.settled_through
from bedrock_analytics.scope_days
left join read
    on scope_days.account_id is not distinct from read.account_id
    and scope_days.region is not distinct from read.region
where coalesce(scope_days.submit_date >= cast(read.settled_through at time zone 'UTC' as date), true)
