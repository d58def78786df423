-- One row per account, region and model: how many of its invocations are open, stuck and
-- vanished, whatever their age.
select
    account,
    region,
    model,
    count(*) filter (where not is_vanished) as open_invocations,
    count(*) filter (where is_stuck) as stuck,
    count(*) filter (where is_vanished) as vanished
from keyed('bedrock_analytics.open_invocations')
group by all
order by all
