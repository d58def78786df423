-- One row per account, region, model and date of submission (UTC): what became of the invocations.
--
-- invocations: all that were submitted on the date, whatever their status
-- is_settled: none is open, and the scope was read past the end of the date and the lag
-- dated by: submit_date
select
    account_id,
    region,
    model_id,
    submit_date,
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
where cohort = 'date'
