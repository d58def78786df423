-- One row per model with failed invocations in the last 30 days: whose fault they are, in all scopes
-- together.
--
-- The 30 days begin 720 hours before the newest successful run of any scope; its date is the last.
--
-- end_date: the date on which the 30 days end, UTC
-- failed_client: failed invocations that are the client's fault
-- failed_service: those that are the service's
-- failed_content: those whose content was filtered
-- failed_unknown: those of an unknown category, or one of your own
-- dated by: end_date
-- reads back: 30 days
with

faults as (
    select
        window_starts.end_date,
        reasons.model_id,
        reasons.failure_fault,
        reasons.failed
    from bedrock_analytics.failure_reasons_daily as reasons
    inner join bedrock_analytics.window_starts
        on reasons.submit_date > window_starts.since_date
        and reasons.submit_date <= window_starts.end_date

    union all

    select
        window_starts.end_date,
        edges.model_id,
        edges.failure_fault,
        edges.invocations as failed
    from bedrock_analytics.window_edges as edges
    inner join bedrock_analytics.window_starts
        on edges.submit_date = window_starts.since_date
    where edges.is_submitted and edges.status = 'Failed'
)

select
    end_date,
    model_id,
    cast(sum(case when failure_fault = 'client' then failed else 0 end) as bigint) as failed_client,
    cast(sum(case when failure_fault = 'service' then failed else 0 end) as bigint)
        as failed_service,
    cast(sum(case when failure_fault = 'content' then failed else 0 end) as bigint)
        as failed_content,
    cast(sum(case when failure_fault is null then failed else 0 end) as bigint) as failed_unknown
from faults
group by end_date, model_id
