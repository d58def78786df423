-- One row per cohort and selection: the latencies of those that have ended, for latencies.sql.
select
    cohort,
    account as account_id,
    region,
    model as model_id,
    null as status,
    null as submit_hour,
    null as submit_date,
    true as is_recent,
    count(*) as measured,
    null as average,
    list_sort(array_agg(latency_ms)) as ascending
from report_members
where latency_ms is not null
group by all
