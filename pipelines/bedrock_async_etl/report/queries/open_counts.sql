-- One row per leaf: how many of its invocations are open, stuck, perhaps stuck and vanished, whatever
-- their age.
--
-- stuck_from_ms, stuck_until_ms: when the first and the last stuck one were submitted
-- is_stalled: some are open, and nothing of the model ends, in any account and region
select
    leaf,
    count(*) filter (where not is_vanished) as open_invocations,
    count(*) filter (where is_stuck) as stuck,
    min(epoch_ms(submit_time)) filter (where is_stuck) as stuck_from_ms,
    max(epoch_ms(submit_time)) filter (where is_stuck) as stuck_until_ms,
    count(*) filter (where is_stuck is null) as stuck_unknown,
    count(*) filter (where is_vanished) as vanished,
    bool_or(not is_vanished and summary.is_stalled) as is_stalled,
    any_value(typical_p99) as typical_p99
from keyed('bedrock_analytics.open_invocations') as open_invocations
inner join bedrock_analytics.model_summary as summary
    on open_invocations.model_id is not distinct from summary.model_id
group by all
order by all
