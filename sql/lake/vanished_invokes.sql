-- One row per invocation that vanished: the last time that it did.
select
    invocation_arn,
    vanished_at,
    _dlt_load_id
from bedrock_log.vanished_invokes
qualify row_number() over (
    partition by invocation_arn order by vanished_at desc, _dlt_load_id desc
) = 1
