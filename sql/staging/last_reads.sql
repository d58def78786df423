-- One row per account and region: up to when it was read, which is `as_of` of scopes.
--
-- read_date: the date of that, UTC
-- read_ms: milliseconds since 0001-01-01
-- dated by: read_date
select
    account_id,
    region,
    cast(as_of at time zone 'UTC' as date) as read_date,
    (epoch_us(as_of) + 62135596800000000) // 1000 as read_ms
from bedrock_analytics.scopes
