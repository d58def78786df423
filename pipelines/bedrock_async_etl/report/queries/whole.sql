-- The rows of a table by date of submission, by keys, that are of whole dates: each date is in a
-- period or is not. The invocations of the other dates are in report_cut.
select
    stored.*,
    periods.from_ms as since_ms
from keyed(name) as stored
asof join report_periods as periods
    on epoch_ms(stored.submit_date) >= periods.from_ms
where not list_contains(getvariable('cut_dates'), stored.submit_date)
