-- One row per invocation that was open and then listed no more: when that was last found out.
with

findings as (
    select * from bedrock_log.vanished_invokes
)

select
    invocation_arn,
    vanished_at,
    _dlt_load_id
from findings
qualify
    row_number() over (
        partition by invocation_arn
        order by vanished_at desc, _dlt_load_id desc
    ) = 1
