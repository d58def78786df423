-- One row per scope, those that failed and those that wait longest first.
select
    account_id,
    region,
    epoch_ms(last_success_at) as last_success_ms,
    epoch_ms(submitted_through) as submitted_through_ms,
    last_outcome,
    last_error
from bedrock_analytics.load_freshness
order by last_outcome = 'ok', last_success_at nulls first, account_id, region
