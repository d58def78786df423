-- One row per incident: hours of submission (UTC) in which a model failed more often than before,
-- beyond chance, in some scope, region or everywhere, with at most an hour between.
--
-- The hours are those of windows of failure_spikes: of an hour itself, of a longer window the hours
-- above half way from the usual rate to its own. An incident is counted in the series of its window
-- with the least p_value, and in scopes that have a window of their own.
--
-- started_at: start of its first hour
-- ended_at: end of its last hour; null until a later whole hour has been read of which an invocation
--   has ended, or a day has passed
-- account_id: account of its scopes; null where there are several
-- region: their region; null where there are several
-- scopes: scopes (account and region) that have a window of their own, or fail above half way
-- accounts: their accounts
-- failed: failed invocations of the incident's hours
-- terminal: Completed and Failed ones
-- excess_failed: failed, less those to be expected at the usual rate
-- failure_category: the category with the most failures beyond its usual number
-- example_arn: ARN of a failed invocation of the category
with

-- A day adds nothing where its hours or quarters show more.
windows as (
    select
        spikes.*,
        cast((spikes.rate + spikes.baseline_rate) / 2 as decimal(18, 9)) as half_way,
        row_number() over (
            order by
                spikes.p_value,
                spikes.excess_failed desc,
                spikes.window_hours,
                spikes.level,
                spikes.model_id,
                spikes.region,
                spikes.account_id,
                spikes.window_start
        ) as rank
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

outcomes as (
    select
        *,
        case when failure_category is null then 0 else ended end as failed
    from bedrock_analytics.spike_outcomes
),

scope_hours as (
    select
        model_id,
        account_id,
        region,
        submit_hour,
        sum(ended) as ended,
        sum(failed) as failed
    from outcomes
    group by model_id, account_id, region, submit_hour
),

window_hours as (
    select
        spans.rank,
        spans.level,
        spans.model_id,
        spans.account_id,
        spans.region,
        scope_hours.submit_hour
    from (
        select
            *,
            unnest(range(0, window_hours)) as nth_hour
        from windows
    ) as spans
    inner join scope_hours
        on spans.model_id is not distinct from scope_hours.model_id
        and spans.window_start + spans.nth_hour * interval '1' hour = scope_hours.submit_hour
        and (spans.level = 'model' or spans.region is not distinct from scope_hours.region)
        and (
            spans.level <> 'scope' or spans.account_id is not distinct from scope_hours.account_id
        )
    group by all
    having sum(scope_hours.failed) > sum(scope_hours.ended) * max(spans.half_way)
),

steps as (
    select
        *,
        lag(submit_hour) over (
            partition by model_id order by submit_hour, rank
        ) as previous_hour
    from window_hours
),

numbered as (
    select
        *,
        count(*) filter (
            where previous_hour is null or submit_hour > previous_hour + interval '2' hour
        ) over (
            partition by model_id
            order by submit_hour, rank
            rows between unbounded preceding and current row
        ) as incident
    from steps
),

periods as (
    select
        model_id,
        incident,
        min(rank) as rank,
        min(submit_hour) as first_hour,
        max(submit_hour) as last_hour
    from numbered
    group by model_id, incident
),

own_windows as (
    select distinct
        model_id,
        incident,
        account_id,
        region
    from numbered
    where level = 'scope'
),

-- The hours in which a window fails, and the single hours between them.
period_hours as (
    select
        periods.model_id,
        periods.incident,
        periods.rank,
        periods.first_hour,
        periods.last_hour,
        hours.submit_hour
    from (
        select distinct
            model_id,
            incident,
            submit_hour + later.hours * interval '1' hour as submit_hour
        from numbered
        cross join (values (0), (1)) as later (hours)
    ) as hours
    inner join periods
        on hours.model_id is not distinct from periods.model_id
        and hours.incident = periods.incident
        and hours.submit_hour <= periods.last_hour
),

parts as (
    select
        period_hours.incident,
        period_hours.first_hour,
        period_hours.last_hour,
        windows.half_way,
        windows.baseline_rate,
        own_windows.incident is not null as has_own_window,
        outcomes.*
    from period_hours
    inner join windows
        on period_hours.rank = windows.rank
    inner join outcomes
        on period_hours.model_id is not distinct from outcomes.model_id
        and period_hours.submit_hour = outcomes.submit_hour
    left join own_windows
        on period_hours.incident = own_windows.incident
        and outcomes.model_id is not distinct from own_windows.model_id
        and outcomes.account_id is not distinct from own_windows.account_id
        and outcomes.region is not distinct from own_windows.region
    where
        own_windows.incident is not null
        or (
            (windows.level = 'model' or windows.region is not distinct from outcomes.region)
            and (
                windows.level <> 'scope'
                or windows.account_id is not distinct from outcomes.account_id
            )
        )
),

by_scope as (
    select
        model_id,
        incident,
        account_id,
        region,
        max(first_hour) as first_hour,
        max(last_hour) as last_hour,
        max(baseline_rate) as baseline_rate,
        sum(failed) as failed,
        sum(ended) as terminal,
        max(case when has_own_window then 1 else 0 end) = 1
            or sum(failed) > sum(ended) * max(half_way) as is_hit
    from parts
    group by model_id, incident, account_id, region
),

newest as (
    select max(as_of) as as_of
    from bedrock_analytics.scopes
),

-- The last whole hour that was read of which an invocation has ended, where it is of the last day.
last_hours as (
    select
        rates.account_id,
        rates.region,
        rates.model_id,
        max(rates.submit_hour) as ended_hour
    from bedrock_analytics.failure_rates as rates
    inner join bedrock_analytics.scopes
        on rates.account_id is not distinct from scopes.account_id
        and rates.region is not distinct from scopes.region
        and rates.submit_hour <= scopes.as_of - interval '1' hour
    inner join newest
        on rates.submit_hour > newest.as_of - interval '25' hour
    where rates.cohort = 'hour' and rates.completed + rates.failed > 0
    group by rates.account_id, rates.region, rates.model_id
),

incidents as (
    select
        by_scope.model_id,
        by_scope.incident,
        max(by_scope.first_hour) as started_at,
        max(by_scope.last_hour) as last_hour,
        max(last_hours.ended_hour) as ended_hour,
        count(*) filter (where by_scope.is_hit) as scopes,
        count(distinct case when by_scope.is_hit then by_scope.account_id end) as accounts,
        count(distinct case when by_scope.is_hit then by_scope.region end) as regions,
        min(case when by_scope.is_hit then by_scope.account_id end) as account_id,
        min(case when by_scope.is_hit then by_scope.region end) as region,
        cast(sum(by_scope.failed) as bigint) as failed,
        cast(sum(by_scope.terminal) as bigint) as terminal,
        cast(sum(by_scope.failed) as double)
            - max(by_scope.baseline_rate) * cast(sum(by_scope.terminal) as double) as excess_failed
    from by_scope
    left join last_hours
        on by_scope.account_id is not distinct from last_hours.account_id
        and by_scope.region is not distinct from last_hours.region
        and by_scope.model_id is not distinct from last_hours.model_id
    group by by_scope.model_id, by_scope.incident
),

causes as (
    select
        model_id,
        incident,
        failure_category,
        min(example_arn) as example_arn,
        row_number() over (
            partition by model_id, incident
            order by sum(cast(ended - usual as decimal(38, 9))) desc, failure_category
        ) as rank
    from parts
    where failure_category is not null
    group by model_id, incident, failure_category
    having sum(ended) > 0
)

select
    incidents.model_id,
    incidents.started_at,
    case
        when
            incidents.ended_hour > incidents.last_hour
            or newest.as_of >= incidents.last_hour + interval '25' hour
            then incidents.last_hour + interval '1' hour
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
    and incidents.incident = causes.incident
    and causes.rank = 1
cross join newest
