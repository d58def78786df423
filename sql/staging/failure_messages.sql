-- One row per date of submission and distinct text of a failure message.
--
-- submit_date: date of submission, UTC
-- failure_message: why it failed, as listed
-- words: the message in lower case, its words between single blanks, nothing else left
-- phrases: as words, but ' not' for n't, and ' s3 ', ' kms ', ' model ' or nothing for ARNs and URLs
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
    ) as words,
    concat(
        ' ',
        trim(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
                lower(failure_message),
                's3://[a-z0-9_:/.+=@*%~-]*|arn:[a-z-]*:s3:[a-z0-9_:/.+=@*%~-]*|'
                || 'https?://[a-z0-9_/.-]{0,200}s3[a-z0-9.-]{0,60}amazonaws[a-z0-9_:/.+=@*%~-]*',
                ' s3 ', 'g'
            ),
                'arn:[a-z-]*:kms:[a-z0-9_:/.+=@*%~-]*',
                ' kms ', 'g'
            ),
                'arn:[a-z-]*:bedrock:[a-z0-9:-]*(foundation-model|inference-profile|'
                || 'provisioned-model|custom-model)/[a-z0-9_:/.+=@*%~-]*|[a-z0-9]{1,20}'
                || '[.][a-z0-9-]{1,80}-v[0-9]+:[0-9][a-z0-9:]*',
                ' model ', 'g'
            ),
                '(nova (reel|(multimodal )?embeddings?)|marengo|pegasus|'
                || 'luma ray)( embed)?( v?[0-9.]*[0-9])?',
                ' model ', 'g'
            ),
                'arn:[a-z0-9_:/.+=@*%~-]*|https?://[a-z0-9_:/.+=@*%~?&#-]*',
                ' ', 'g'
            ),
                'can[''’]t',
                'cannot', 'g'
            ),
                'n[''’]t',
                ' not', 'g'
            ),
                '[^a-z0-9]+',
                ' ', 'g'
            )
        ),
        ' '
    ) as phrases
from messages
