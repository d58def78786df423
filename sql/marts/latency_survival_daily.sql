-- One row per account, region, model and date of submission (UTC): the Kaplan-Meier estimate of
-- latency, which holds while invocations are still open.
--
-- Open invocations are right-censored at their age, and so are vanished ones and those that ended
-- with a status that AWS added later, which no column counts. With none of these, the estimate is
-- the nearest-rank percentile of those that have ended.
--
-- ended: terminal invocations with an end_time, Completed and Failed
-- still_open: open invocations
-- p95_low: lower bound of the 95 % interval of p95; null beyond the estimate, 0 for too few
-- p95_high: its upper bound; null beyond the estimate
-- dated by: submit_date
select
    account_id,
    region,
    model_id,
    submit_date,
    ended,
    still_open,
    p50,
    p90,
    p95,
    p95_low,
    p95_high,
    p99
from bedrock_analytics.survivals
