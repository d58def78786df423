-- One row per hour of the longest period that failed significantly more than its week.
select
    account,
    region,
    model,
    epoch_ms(submit_hour) as submitted_ms,
    failed,
    terminal,
    rate,
    baseline_rate,
    z_score
from keyed('bedrock_analytics.failure_spikes')
where submitted_ms >= getvariable('from_ms')
order by z_score desc, submit_hour
limit $limit
