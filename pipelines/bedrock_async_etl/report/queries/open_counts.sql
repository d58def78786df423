-- One row per account, region and model: how many of its invocations are open, stuck, perhaps stuck
-- and vanished, whatever their age.
--
-- is_stalled: some are open, and nothing of the model ends, in any account and region
select
    account,
    region,
    model,
    count(*) filter (where not is_vanished) as open_invocations,
    count(*) filter (where is_stuck) as stuck,
    count(*) filter (where is_stuck is null) as stuck_unknown,
    count(*) filter (where is_vanished) as vanished,
    bool_or(not is_vanished and summary.is_stalled) as is_stalled
from keyed('bedrock_analytics.open_invocations') as open_invocations
inner join bedrock_analytics.model_summary as summary
    on open_invocations.model_id is not distinct from summary.model_id
group by all
order by all
