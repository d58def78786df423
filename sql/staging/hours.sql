-- One row per hour (UTC) that something may have been in flight in, back to 100,000 hours ago.
--
-- hour_number: hours since 1970
-- hour: start of the hour
with

scopes as (
    select * from bedrock_analytics.scopes
),

lifetimes as (
    select * from bedrock_analytics.lifetimes
),

digits as (
    select digit
    from (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) as digits (digit)
),

numbers as (
    select
        ones.digit + 10 * tens.digit + 100 * hundreds.digit + 1000 * thousands.digit
            + 10000 * ten_thousands.digit as number
    from digits as ones
    cross join digits as tens
    cross join digits as hundreds
    cross join digits as thousands
    cross join digits as ten_thousands
),

epoch as (
    select cast('1970-01-01 00:00:00+00' as timestamptz) as start
),

instants as (
    select submitted_ms as instant_ms
    from lifetimes
    where submitted_ms is not null

    union all

    select date_diff('millisecond', epoch.start, scopes.as_of) as instant_ms
    from scopes
    cross join epoch
),

edges as (
    select
        cast(floor(min(instant_ms) / 3.6e6) as bigint) as first_number,
        cast(floor(max(instant_ms) / 3.6e6) as bigint) as last_number
    from instants
)

select
    edges.last_number - numbers.number as hour_number,
    epoch.start + (edges.last_number - numbers.number) * interval '1' hour as hour
from edges
cross join numbers
cross join epoch
where edges.last_number - numbers.number >= edges.first_number
