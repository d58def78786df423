-- A rate, a bound of a rate and a share are between 0 and 1, and a rate is within its bounds.
--
-- dated by: submit_date
with

rates as (
    select
        'failure_rates' as model,
        account_id,
        region,
        model_id,
        failure_rate as rate,
        failure_rate_low as low,
        failure_rate_high as high
    from bedrock_analytics.failure_rates

    union all

    select
        'failure_rates' as model,
        account_id,
        region,
        model_id,
        failure_risk as rate,
        failure_risk_low as low,
        failure_risk_high as high
    from bedrock_analytics.failure_rates

    union all

    select
        'failure_reasons_daily' as model,
        account_id,
        region,
        model_id,
        share as rate,
        0e0 as low,
        1e0 as high
    from bedrock_analytics.failure_reasons_daily

    union all

    select
        'failure_spikes' as model,
        account_id,
        region,
        model_id,
        rate,
        0e0 as low,
        1e0 as high
    from bedrock_analytics.failure_spikes
)

select *
from rates
where not (0 <= low and low <= rate + 1e-12 and rate <= high + 1e-12 and high <= 1)
