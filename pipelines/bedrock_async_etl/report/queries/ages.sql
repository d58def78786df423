-- One row per age of those without a latency, in milliseconds; of too many, one in so many.
with ages as (
    select distinct greatest(0, age_ms) as age_ms
    from keyed('bedrock_analytics.unmeasured_ages')
    where submit_date >= cast(epoch_ms(getvariable('before_ms')) as date)
)

select
    age_ms,
    bucket_of(age_ms) as bucket
from ages
qualify row_number() over (order by age_ms) % (1 + count(*) over () // getvariable('ages')) = 0
