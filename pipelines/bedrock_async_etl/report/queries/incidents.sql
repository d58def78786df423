-- One row per incident of the longest period: open ones first, then the newest; -1 is several accounts
-- or regions.
select
    coalesce(accounts.account, -1) as account,
    coalesce(regions.region, -1) as region,
    models.model,
    epoch_ms(incidents.started_at) as started_ms,
    epoch_ms(incidents.ended_at) as ended_ms,
    incidents.scopes,
    incidents.failed,
    incidents.terminal,
    incidents.excess_failed,
    incidents.failure_category,
    incidents.example_arn
from bedrock_analytics.incidents
inner join (select distinct model, model_id from report_leaves) as models
    on incidents.model_id is not distinct from models.model_id
left join (select distinct account, account_id from report_leaves) as accounts
    on incidents.account_id = accounts.account_id
left join (select distinct region, region_name from report_leaves) as regions
    on incidents.region = regions.region_name
where coalesce(epoch_ms(incidents.ended_at) > getvariable('from_ms'), true)
order by incidents.ended_at is null desc, started_ms desc, models.model
limit $limit
