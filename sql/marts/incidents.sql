-- One row per incident: windows of failure_spikes of one model that touch or overlap, whatever their
-- level and length.
--
-- It is counted where it is least like chance: in the scope, the region or the whole model of its
-- window with the least p_value. It lasts from the first to the last of the hours of submission (UTC)
-- that together are the farthest above half way from the usual rate to that window's.
--
-- started_at: start of its first hour
-- ended_at: end of its last hour; null until a whole hour after it has been read
-- account_id: account of the scopes that fail more often than usual; null where there are several
-- region: their region; null where there are several
-- scopes: scopes (account and region) that failed more often than is usual there
-- accounts: their accounts
-- failed: failed invocations of the incident's hours
-- terminal: Completed and Failed ones
-- excess_failed: failed, less those to be expected at the usual rate
-- failure_category: the category with the most failures beyond its usual number
-- example_arn: ARN of a failed invocation of the category
with

-- A day tells nothing of its own where its hours or quarters tell more.
windows as (
    select
        spikes.*,
        spikes.window_start + spikes.window_hours * interval '1' hour as window_end
    from bedrock_analytics.failure_spikes as spikes
    left join (
        select distinct
            level,
            account_id,
            region,
            model_id,
            cast(window_start at time zone 'UTC' as date) as window_date
        from bedrock_analytics.failure_spikes
        where window_hours < 24
    ) as shorter
        on spikes.window_hours = 24
        and spikes.level = shorter.level
        and spikes.account_id is not distinct from shorter.account_id
        and spikes.region is not distinct from shorter.region
        and spikes.model_id is not distinct from shorter.model_id
        and cast(spikes.window_start at time zone 'UTC' as date) = shorter.window_date
    where shorter.window_date is null
),

reached as (
    select
        *,
        max(window_end) over (
            partition by model_id
            order by window_start, window_end
            rows between unbounded preceding and 1 preceding
        ) as reached
    from windows
),

numbered as (
    select
        *,
        count(*) filter (where reached is null or reached < window_start) over (
            partition by model_id
            order by window_start, window_end
            rows between unbounded preceding and current row
        ) as number
    from reached
),

ranked as (
    select
        *,
        min(window_start) over (partition by model_id, number) as first_start,
        max(window_end) over (partition by model_id, number) as last_end,
        cast((rate + baseline_rate) / 2 as decimal(18, 9)) as half_way,
        row_number() over (
            partition by model_id, number
            order by
                p_value,
                excess_failed desc,
                window_hours,
                level,
                region,
                account_id,
                window_start
        ) as place
    from numbered
),

outcomes as (
    select
        ranked.number,
        ranked.half_way,
        ranked.baseline_rate,
        outcomes.*,
        case when outcomes.failure_category is null then 0 else outcomes.ended end as failed
    from ranked
    inner join bedrock_analytics.spike_outcomes as outcomes
        on ranked.model_id is not distinct from outcomes.model_id
        and (ranked.level = 'model' or ranked.region is not distinct from outcomes.region)
        and (ranked.level <> 'scope' or ranked.account_id is not distinct from outcomes.account_id)
        and outcomes.submit_hour >= ranked.first_start
        and outcomes.submit_hour < ranked.last_end
    where ranked.place = 1
),

-- above: failures above half way, of the hour and all before it
hours as (
    select
        model_id,
        number,
        submit_hour,
        sum(sum(failed - ended * half_way)) over (
            partition by model_id, number
            order by submit_hour
            rows between unbounded preceding and current row
        ) as above
    from outcomes
    group by model_id, number, submit_hour
),

lows as (
    select
        *,
        least(
            0,
            min(above) over (
                partition by model_id, number
                order by submit_hour
                rows between unbounded preceding and 1 preceding
            )
        ) as low
    from hours
),

last_hours as (
    select
        *,
        row_number() over (
            partition by model_id, number order by above - low desc, submit_hour
        ) as place
    from lows
),

periods as (
    select
        last_hours.model_id,
        last_hours.number,
        last_hours.submit_hour as last_hour,
        max(case when hours.above = last_hours.low then hours.submit_hour end) as low_hour
    from last_hours
    inner join hours
        on last_hours.model_id is not distinct from hours.model_id
        and last_hours.number = hours.number
        and last_hours.submit_hour >= hours.submit_hour
    where last_hours.place = 1
    group by last_hours.model_id, last_hours.number, last_hours.submit_hour
),

-- What is of the incident, by scope and category.
within as (
    select
        outcomes.*,
        periods.last_hour + interval '1' hour as ended_at
    from outcomes
    inner join periods
        on outcomes.model_id is not distinct from periods.model_id
        and outcomes.number = periods.number
        and outcomes.submit_hour <= periods.last_hour
        and (periods.low_hour is null or outcomes.submit_hour > periods.low_hour)
),

by_scope as (
    select
        within.model_id,
        within.number,
        within.account_id,
        within.region,
        min(within.submit_hour) as started_at,
        max(within.ended_at) as ended_at,
        max(scopes.as_of) as as_of,
        cast(sum(within.failed) as bigint) as failed,
        cast(sum(within.ended) as bigint) as terminal,
        sum(within.failed) - max(within.baseline_rate) * sum(within.ended) as excess_failed
    from within
    left join bedrock_analytics.scopes
        on within.account_id is not distinct from scopes.account_id
        and within.region is not distinct from scopes.region
    group by within.model_id, within.number, within.account_id, within.region
),

causes as (
    select
        model_id,
        number,
        failure_category,
        min(example_arn) as example_arn,
        row_number() over (
            partition by model_id, number
            order by sum(cast(ended - usual as decimal(38, 9))) desc, failure_category
        ) as place
    from within
    where failure_category is not null
    group by model_id, number, failure_category
),

incidents as (
    select
        model_id,
        number,
        min(started_at) as started_at,
        max(ended_at) as ended_at,
        max(as_of) as as_of,
        count(*) filter (where excess_failed > 0) as scopes,
        count(distinct case when excess_failed > 0 then account_id end) as accounts,
        count(distinct case when excess_failed > 0 then region end) as regions,
        min(case when excess_failed > 0 then account_id end) as account_id,
        min(case when excess_failed > 0 then region end) as region,
        cast(sum(failed) as bigint) as failed,
        cast(sum(terminal) as bigint) as terminal,
        sum(excess_failed) as excess_failed
    from by_scope
    group by model_id, number
)

select
    incidents.model_id,
    incidents.started_at,
    case
        when incidents.ended_at + interval '1' hour <= incidents.as_of then incidents.ended_at
    end as ended_at,
    case when incidents.accounts = 1 then incidents.account_id end as account_id,
    case when incidents.regions = 1 then incidents.region end as region,
    incidents.scopes,
    incidents.accounts,
    incidents.failed,
    incidents.terminal,
    incidents.excess_failed,
    causes.failure_category,
    causes.example_arn
from incidents
inner join causes
    on incidents.model_id is not distinct from causes.model_id
    and incidents.number = causes.number
    and causes.place = 1
