-- One row per invocation of which no more is known than that it ran for an age: it is open, it
-- vanished, or it ended with a status that is neither Completed nor Failed. Estimates of latency are
-- right-censored there.
--
-- age_ms: as in open_ages; of an ended one, from its submission to its end, milliseconds
-- dated by: submit_date
select
    invocation_arn,
    account_id,
    region,
    model_id,
    submit_time,
    submit_date,
    not is_vanished as is_open,
    age_ms
from bedrock_analytics.open_ages
where age_ms is not null

union all

select
    invocation_arn,
    account_id,
    region,
    model_id,
    submit_time,
    submit_date,
    is_open,
    epoch_us(end_time) // 1000 - epoch_us(submit_time) // 1000 as age_ms
from bedrock_analytics.invocations
where not is_open and not is_vanished and not is_terminal and submit_time is not null
