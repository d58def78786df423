-- One row per date of submission and distinct text of a failure message.
--
-- submit_date: date of submission, UTC
-- failure_message: why it failed, as listed
-- words: the message in lower case, its words between single blanks, nothing else left
-- dated by: submit_date
with

messages as (
    select distinct
        submit_date,
        failure_message
    from bedrock.async_invokes
    where failure_message is not null
)

select
    submit_date,
    failure_message,
    concat(
        ' ', trim(regexp_replace(lower(failure_message), '[^a-z0-9]+', ' ', 'g')), ' '
    ) as words
from messages
