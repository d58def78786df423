-- One row: the last 30 days, up to the newest successful run of any scope.
--
-- since: 720 hours before it
-- since_date: the date of that, UTC
-- before_date: the date of 1440 hours before it, UTC
-- end_date: the date of the run, UTC
-- dated by: since_date
with

ends as (
    select max(as_of) as newest
    from bedrock_analytics.scopes
)

select
    newest - interval '720' hour as since,
    cast((newest - interval '720' hour) at time zone 'UTC' as date) as since_date,
    cast((newest - interval '1440' hour) at time zone 'UTC' as date) as before_date,
    cast(newest at time zone 'UTC' as date) as end_date
from ends
where newest is not null
