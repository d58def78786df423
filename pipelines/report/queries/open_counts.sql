-- One row per account, region and model: how many of its invocations are open, whatever their age.
select
    leaves.account,
    leaves.region,
    leaves.model,
    count(*) as open_invocations,
    count(*) filter (where invocations.is_stuck) as stuck,
    count(*) filter (where invocations.is_vanished) as vanished
from bedrock_analytics.open_invocations as invocations
inner join report_leaves as leaves
    on invocations.account_id is not distinct from leaves.account_id
    and invocations.region is not distinct from leaves.region_name
    and invocations.model_id is not distinct from leaves.model_id
group by all
order by all
