-- One row per failure message that a rule of your own puts into a category: none, as shipped.
--
-- A file of this name in the folder given by --models takes the place of this one, and its rules
-- come before those of failure_categories. A message that it leaves out, or gives null, goes on
-- to them.
--
-- failure_category: a category of your own (it has no fault), or one of those that there are
select
    failure_message,
    cast(null as varchar) as failure_category
from bedrock_analytics.failure_messages
where false
