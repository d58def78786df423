-- The rows of a table of dates and parts of dates, as those of dates, and as those of periods.
--
-- kind: day or period
-- part: the date, in days since 1970, or the instant at which a period begins, in milliseconds
select
    'day' as kind,
    day as part,
    * exclude (day, since_ms)
from query_table(name)
where day >= getvariable('from_ms') // 86_400_000

union all

select
    'period' as kind,
    since_ms as part,
    * exclude (day, since_ms)
from query_table(name)
where since_ms is not null
