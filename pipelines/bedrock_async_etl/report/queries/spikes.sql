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
where epoch_ms(submit_hour) >= (
    select min(from_ms) from report_periods where not is_previous
)
order by z_score desc, submit_hour
limit $limit
