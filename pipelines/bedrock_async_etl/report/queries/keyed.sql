-- The rows of a table whose accounts, regions and models the page has, by their keys.
select
    leaves.leaf,
    stored.* exclude (region)
from query_table(name) as stored
inner join report_leaves as leaves
    on stored.account_id is not distinct from leaves.account_id
    and stored.region is not distinct from leaves.region_name
    and stored.model_id is not distinct from leaves.model_id
