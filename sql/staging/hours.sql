-- One row per hour (UTC) that something may have been in flight in: from the first submission, or
-- 100,000 hours ago if that is later, to the last run, or to the last submission within a year of it.
--
-- hour_number: hours since 1970
-- hour: start of the hour
with

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

submissions as (
    select
        cast(floor(min(submitted_ms) / 3.6e6) as bigint) as first_number,
        cast(floor(max(submitted_ms) / 3.6e6) as bigint) as last_number
    from bedrock_analytics.lifetimes
),

runs as (
    select
        cast(
            floor(
                date_diff('millisecond', epoch.start, max(greatest(as_of, last_observed_at)))
                / 3.6e6
            ) as bigint
        ) as last_number
    from bedrock_analytics.scopes
    cross join epoch
    group by epoch.start
),

edges as (
    select
        submissions.first_number,
        greatest(
            runs.last_number, least(submissions.last_number, runs.last_number + 8784)
        ) as last_number
    from submissions
    cross join runs
)

select
    edges.last_number - numbers.number as hour_number,
    epoch.start + (edges.last_number - numbers.number) * interval '1' hour as hour
from edges
cross join numbers
cross join epoch
where edges.last_number - numbers.number >= edges.first_number
