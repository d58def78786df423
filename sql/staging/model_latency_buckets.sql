-- One row per model, status, date of submission (UTC) and bucket of latencies: those of
-- latency_buckets, in all accounts and regions together.
--
-- latencies_ms: the latencies in ascending order, milliseconds
-- dated by: submit_date
select
    model_id,
    status,
    submit_date,
    bucket,
    list_sort(flatten(array_agg(latencies_ms))) as latencies_ms
from bedrock_analytics.latency_buckets
group by model_id, status, submit_date, bucket
