-- One row per account, region, model and hour of submission (UTC): what became of the invocations.
--
-- submit_hour: start of the hour of submission
-- invocations: all that were submitted in the hour, whatever their status
-- is_settled: none is open, and the scope was read past the end of the hour and the lag
-- dated by: submit_hour
select
    account_id,
    region,
    model_id,
    submit_hour,
    invocations,
    completed,
    failed,
    in_progress,
    failure_rate,
    failure_rate_low,
    failure_rate_high,
    failure_risk,
    failure_risk_low,
    failure_risk_high,
    is_settled
from bedrock_analytics.failure_rates
where cohort = 'hour'
