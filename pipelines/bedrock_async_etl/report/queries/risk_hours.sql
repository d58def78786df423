-- The part `hours` of failure_rates.sql: what became of each hour of a cohort.
with longest as (
    select kind, account, region, model, part, max(longest_ms) as longest_ms
    from report_counts
    group by all
)

select
    members.number as cohort,
    null as account_id,
    null as region,
    null as model_id,
    null as submit_hour,
    null as submit_date,
    null as invocations,
    cast(sum(hours.completed) as bigint) as completed,
    cast(sum(hours.failed) as bigint) as failed,
    null as in_progress,
    null as is_settled,
    max(longest.longest_ms) as longest_ms
from report_hours as hours
inner join report_members as members using (kind, account, region, model, part)
left join longest using (kind, account, region, model, part)
group by members.number, hours.hour
