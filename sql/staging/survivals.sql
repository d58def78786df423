-- One row per account, region, model and date of submission (UTC): the Kaplan-Meier estimate of the
-- latencies that its invocations will have had once all of them have ended.
--
-- The share S(t) that runs longer than t is the product, over the durations d that occurred up to
-- t, of 1 - (ended after d) / (ran for d or longer). Those without a latency are right-censored:
-- they count as running for their age, and not at all after it.
--
-- Between two censored ages, the product telescopes to (still running after) / (running before). So
-- a bucket of latencies in which no age is counts as one step, and only one that a percentile is in
-- has to be looked into. The steps are few, however many the invocations.
--
-- cohort: date
-- ended: terminal invocations with an end_time
-- censored: those of unmeasured_ages
-- still_open: those of them that are open
-- p50: 50 % have ended within so many seconds; null where the estimate does not reach it
-- p90: 90 % have ended within so many seconds; null where the estimate does not reach it
-- p95: 95 % have ended within so many seconds; null where the estimate does not reach it
-- p99: 99 % have ended within so many seconds; null where the estimate does not reach it
-- p95_low: lower bound of the 95 % interval of p95; null beyond the estimate, 0 for too few
-- p95_high: its upper bound; null beyond the estimate
-- longest: the longest latency or age, seconds
-- dated by: submit_date
with

-- Latencies of one bucket, in ascending order, or the age of one that has none.
subjects as (
    select
        array['date'] as cohorts,
        account_id,
        region,
        model_id,
        submit_date,
        latencies_ms,
        cast(null as bigint) as age_ms,
        false as is_open
    from bedrock_analytics.latency_buckets

    union all

    select
        array['date'] as cohorts,
        account_id,
        region,
        model_id,
        submit_date,
        cast(null as bigint[]) as latencies_ms,
        age_ms,
        is_open
    from bedrock_analytics.censored_ages
),

-- Arrays are read from here where they are needed: joined to a cohort, each is copied.
placed as (
    select
        *,
        cast(
            floor(100 * ln(1 + greatest(0, coalesce(latencies_ms[1], age_ms)))) as bigint
        ) as bucket,
        coalesce(array_length(latencies_ms), 0) as ended,
        coalesce(latencies_ms[cast(array_length(latencies_ms) as bigint)], age_ms) as longest_ms
    from subjects
    where latencies_ms is not null or age_ms is not null
),

named_buckets as (
    select
        cohort,
        account_id,
        region,
        model_id,
        submit_date,
        bucket,
        cast(sum(ended) as bigint) as ended,
        count(age_ms) as censored,
        count(*) filter (where is_open) as still_open,
        max(longest_ms) as longest_ms
    from (
        select
            *,
            unnest(cohorts) as cohort
        from placed
    ) as members
    group by cohort, account_id, region, model_id, submit_date, bucket
),

-- Numbers are compared faster than names.
buckets as (
    select
        *,
        dense_rank() over (
            order by cohort, account_id, region, model_id, submit_date
        ) as number
    from named_buckets
),

totals as (
    select
        number,
        cohort,
        account_id,
        region,
        model_id,
        submit_date,
        cast(sum(ended) as bigint) as ended,
        cast(sum(censored) as bigint) as censored,
        cast(sum(still_open) as bigint) as still_open,
        max(longest_ms) as longest_ms
    from buckets
    group by number, cohort, account_id, region, model_id, submit_date
),

-- Only latencies that are compared with an age are looked at one by one.
mixed as (
    select
        buckets.number,
        buckets.bucket,
        placed.latencies_ms,
        placed.age_ms
    from buckets
    inner join placed
        on array_contains(placed.cohorts, buckets.cohort)
        and placed.account_id is not distinct from buckets.account_id
        and placed.region is not distinct from buckets.region
        and placed.model_id is not distinct from buckets.model_id
        and placed.submit_date is not distinct from buckets.submit_date
        and placed.bucket = buckets.bucket
    where buckets.ended > 0 and buckets.censored > 0
),

durations as (
    select
        number,
        bucket,
        unnest(coalesce(latencies_ms, array[age_ms])) as duration_ms,
        case when age_ms is null then 1 else 0 end as ended
    from mixed
),

-- A duration, or a whole bucket.
steps as (
    select
        number,
        bucket,
        duration_ms,
        cast(sum(ended) as double) as ended,
        cast(sum(1 - ended) as double) as censored
    from durations
    group by number, bucket, duration_ms

    union all

    select
        number,
        bucket,
        cast(null as bigint) as duration_ms,
        cast(ended as double) as ended,
        cast(censored as double) as censored
    from buckets
    where ended = 0 or censored = 0
),

risks as (
    select
        *,
        sum(ended + censored) over (
            partition by number
            order by bucket desc, duration_ms desc
            rows between unbounded preceding and current row
        ) as at_risk
    from steps
),

-- A product is the exponential of a sum of logarithms; that of 0 is far below any of the others.
factors as (
    select
        *,
        case when ended < at_risk then ln(1 - ended / at_risk) else -1e3 end as log_factor
    from risks
),

curves as (
    select
        *,
        exp(
            coalesce(
                sum(log_factor) over (
                    partition by number
                    order by bucket, duration_ms
                    rows between unbounded preceding and 1 preceding
                ),
                0
            )
        ) as survival_before,
        exp(
            sum(log_factor) over (
                partition by number
                order by bucket, duration_ms
                rows between unbounded preceding and current row
            )
        ) as survival,
        coalesce(
            sum(1 / nullif(at_risk - ended, 0) - 1 / at_risk) over (
                partition by number
                order by bucket, duration_ms
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as variance_before
    from factors
),

-- The number of invocations, none of them open, that would determine p95 equally well: by
-- Greenwood's variance where the curve comes to 5 %, or ends.
sizes as (
    select
        number,
        round(
            (1 - share) / nullif(
                share * (variance_before + survival_before / (at_risk * share) - 1 / at_risk), 0
            ),
            6
        ) as size
    from (
        select
            *,
            greatest(survival, 5e-2) as share,
            row_number() over (
                partition by number
                order by bucket desc, duration_ms desc
            ) as place
        from curves
        where survival_before > 5e-2 + 1e-9
    ) as until_p95
    where place = 1
),

-- How many of them take at most the true p95 is binomial: around what is expected, up to more than
-- six standard deviations, the logarithm of a probability over that of one less. Ten thousand ranks
-- are those of 11 million durations.
ranks as (
    select
        *,
        unnest(range(first_rank, 1 + least(last_rank, first_rank + 9999))) as rank
    from (
        select
            number,
            size,
            cast(greatest(0, floor(95e-2 * size - 10 - 15e-1 * sqrt(size))) as bigint) as first_rank,
            cast(floor(least(size, 95e-2 * size + 10 + 15e-1 * sqrt(size))) as bigint) as last_rank
        from sizes
        where size is not null
    ) as spans
),

likelihoods as (
    select
        *,
        sum(
            case when rank > first_rank then ln(19 * (size - rank + 1) / rank) else 0e0 end
        ) over (
            partition by number
            order by rank
            rows between unbounded preceding and current row
        ) as log_likelihood
    from ranks
),

weights as (
    select
        *,
        exp(log_likelihood - max(log_likelihood) over (partition by number)) as weight
    from likelihoods
),

chances as (
    select
        *,
        sum(weight) over (
            partition by number
            order by rank
            rows between unbounded preceding and current row
        ) / sum(weight) over (partition by number) as chance
    from weights
),

-- Order statistics: the true p95 is below the one, and above the other, with a chance of 2.5 %.
bounds as (
    select
        number,
        size,
        coalesce(max(case when chance <= 25e-3 then rank end) + 1, 0) as low_rank,
        min(case when chance >= 975e-3 then rank end) + 1 as high_rank
    from chances
    group by number, size
),

-- Rounding must not carry a curve past the very share that it reaches.
shares as (
    select
        totals.number,
        percentiles.percentile,
        1e-9 + case
            when percentiles.percentile = 0 then 1 - nullif(bounds.low_rank, 0) / bounds.size
            when percentiles.percentile < 100 then (100 - percentiles.percentile) / 1e2
            when bounds.high_rank <= bounds.size then 1 - bounds.high_rank / bounds.size
        end as share
    from totals
    cross join (values (0), (50), (90), (95), (99), (100)) as percentiles (percentile)
    left join bounds
        on totals.number = bounds.number
),

-- The step that brings a curve down to a share, and how many of a whole bucket have to have ended.
reached as (
    select
        curves.number,
        curves.duration_ms,
        shares.percentile,
        case
            when curves.duration_ms is null
                then cast(
                    ceil(curves.at_risk * (1 - shares.share / curves.survival_before)) as bigint
                )
        end as ended,
        totals.cohort,
        totals.account_id,
        totals.region,
        totals.model_id,
        totals.submit_date,
        curves.bucket
    from curves
    inner join shares
        on curves.number = shares.number
        and curves.survival <= shares.share
        and curves.survival_before > shares.share
    inner join totals
        on curves.number = totals.number
),

-- Its duration; of a whole bucket, the latency that does.
found as (
    select
        reached.number,
        reached.percentile,
        coalesce(
            max(reached.duration_ms),
            list_sort(
                flatten(
                    array_agg(placed.latencies_ms) filter (where placed.latencies_ms is not null)
                )
            )[cast(max(reached.ended) as bigint)]
        ) as duration_ms
    from reached
    inner join placed
        on array_contains(placed.cohorts, reached.cohort)
        and placed.account_id is not distinct from reached.account_id
        and placed.region is not distinct from reached.region
        and placed.model_id is not distinct from reached.model_id
        and placed.submit_date is not distinct from reached.submit_date
        and placed.bucket = reached.bucket
    group by reached.number, reached.percentile
),

percentiles as (
    select
        number,
        max(case when percentile = 50 then duration_ms end) as p50_ms,
        max(case when percentile = 90 then duration_ms end) as p90_ms,
        max(case when percentile = 95 then duration_ms end) as p95_ms,
        max(case when percentile = 99 then duration_ms end) as p99_ms,
        max(case when percentile = 0 then duration_ms end) as p95_low_ms,
        max(case when percentile = 100 then duration_ms end) as p95_high_ms
    from found
    group by number
)

select
    totals.cohort,
    totals.account_id,
    totals.region,
    totals.model_id,
    totals.submit_date,
    totals.ended,
    totals.censored,
    totals.still_open,
    cast(percentiles.p50_ms as double) / 1000 as p50,
    cast(percentiles.p90_ms as double) / 1000 as p90,
    cast(percentiles.p95_ms as double) / 1000 as p95,
    cast(percentiles.p99_ms as double) / 1000 as p99,
    case
        when bounds.low_rank = 0 then 0e0
        else cast(percentiles.p95_low_ms as double) / 1000
    end as p95_low,
    cast(percentiles.p95_high_ms as double) / 1000 as p95_high,
    cast(totals.longest_ms as double) / 1000 as longest
from totals
left join percentiles
    on totals.number = percentiles.number
left join bounds
    on totals.number = bounds.number
