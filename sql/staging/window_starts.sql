-- One row: the last 30 days, which end with the newest successful run of any scope.
--
-- since: 720 hours before that
-- since_date: the date of that, UTC
-- end_date: the date on which they end, UTC
-- dated by: since_date
with

ends as (
    select max(as_of) as newest
    from bedrock_analytics.scopes
)

select
    newest - interval '720' hour as since,
    cast((newest - interval '720' hour) at time zone 'UTC' as date) as since_date,
    cast(newest at time zone 'UTC' as date) as end_date
from ends
where newest is not null
