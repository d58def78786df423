-- One row per hour of the longest period that failed significantly more than its week.
select
    leaves.account,
    leaves.region,
    leaves.model,
    epoch_ms(spikes.submit_hour) as submitted_ms,
    spikes.failed,
    spikes.terminal,
    spikes.rate,
    spikes.baseline_rate,
    spikes.z_score
from bedrock_analytics.failure_spikes as spikes
inner join report_leaves as leaves
    on spikes.account_id is not distinct from leaves.account_id
    and spikes.region is not distinct from leaves.region_name
    and spikes.model_id is not distinct from leaves.model_id
where epoch_ms(spikes.submit_hour) >= (
    select min(from_ms) from report_periods where not is_previous
)
order by spikes.z_score desc, spikes.submit_hour
limit $limit
