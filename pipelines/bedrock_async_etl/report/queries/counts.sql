-- One row per leaf, outcome and bin: how many were submitted.
select
    leaf,
    outcomes.outcome,
    bin,
    0 as bucket,
    cast(sum(invocations) as bigint) as invocations
from keyed('report_submitted') as submitted
inner join report_outcomes as outcomes
    on if(submitted.status = 'failed', submitted.failure_category, submitted.status) = outcomes.name
    and (submitted.status = 'failed') = (outcomes.outcome > 2)
group by all
