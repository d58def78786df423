-- One row per distinct text of a failure message.
--
-- failure_message: why it failed, as listed
-- words: the message in lower case, its words between single blanks, nothing else left
with

messages as (
    select distinct failure_message
    from bedrock.async_invokes
    where failure_message is not null
)

select
    failure_message,
    concat(
        ' ', trim(regexp_replace(lower(failure_message), '[^a-z0-9]+', ' ', 'g')), ' '
    ) as words
from messages
