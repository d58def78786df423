-- The rows of a table by date of submission, by keys, with what their date is in.
--
-- day: the date, in days since 1970
-- since_ms: the last instant before it at which a period begins; null for dates that are cut
select
    stored.*,
    date_diff('day', date '1970-01-01', stored.submit_date) as day,
    if(
        list_contains(getvariable('cut_dates'), stored.submit_date), null, periods.from_ms
    ) as since_ms
from keyed(name) as stored
asof left join report_periods as periods
    on epoch_ms(stored.submit_date) >= periods.from_ms
where stored.submit_date >= getvariable('cut_dates')[1]
