-- One row per open invocation, stuck ones and old ones first.
select
    leaves.account,
    leaves.region,
    leaves.model,
    invocations.invocation_arn,
    epoch_ms(invocations.submit_time) as submitted_ms,
    invocations.age_seconds,
    invocations.typical_p99,
    invocations.is_stuck,
    invocations.is_vanished,
    invocations.output_s3_uri
from bedrock_analytics.open_invocations as invocations
inner join report_leaves as leaves
    on invocations.account_id is not distinct from leaves.account_id
    and invocations.region is not distinct from leaves.region_name
    and invocations.model_id is not distinct from leaves.model_id
order by invocations.is_stuck desc, invocations.age_seconds desc, invocations.invocation_arn
limit $limit
