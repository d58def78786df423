-- One row per open or vanished invocation: stuck ones first, then open ones, the oldest first.
select
    leaf,
    invocation_arn,
    epoch_ms(submit_time) as submitted_ms,
    age_seconds,
    typical_p99,
    is_stuck,
    is_vanished,
    output_s3_uri
from keyed('bedrock_analytics.open_invocations')
order by coalesce(is_stuck, false) desc, is_vanished, age_seconds desc, invocation_arn
limit $limit
