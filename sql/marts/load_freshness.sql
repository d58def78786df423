-- One row per account and region: how fresh the copy is.
--
-- lag_seconds: how far the newest submission that was read lies behind last_success_at
select
    account_id,
    region,
    last_success_at,
    submitted_through,
    case
        when submitted_through < last_success_at
            then cast(
                epoch_us(last_success_at) // 1000 - epoch_us(submitted_through) // 1000 as double
            ) / 1000
        when submitted_through >= last_success_at then 0e0
    end as lag_seconds,
    last_outcome,
    last_error
from bedrock_analytics.scopes
order by account_id, region
