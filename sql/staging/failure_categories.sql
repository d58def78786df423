-- One row per date of submission and distinct text of a failure message: the category that its words
-- put it into.
--
-- The first rule that fits wins, and a message that none fits is `unknown`. A rule sees the
-- message in lower case, its words between single blanks and nothing else left: 's3:PutObject' is
-- ' s3 putobject '. A message that was redacted when it was loaded carries its category with it.
--
-- failure_category: by your own rules (own_failure_categories), else by those of this model's file
-- dated by: submit_date
with

failure_messages as (
    select * from bedrock_analytics.failure_messages
),

-- One category for each message, however many rules of your own fit it.
own_failure_categories as (
    select
        failure_message,
        min(failure_category) as failure_category
    from bedrock_analytics.own_failure_categories
    group by failure_message
),

categorised as (
    select
        submit_date,
        failure_message,
        case
            when failure_message like 'redacted:%:%'
                then split_part(failure_message, ':', 2)
            when regexp_matches(
                words,
                ' (generated|generation|outputs?|responses?|'
                    || 'results?)( [^ ]+){0,8} (blocked|filtered|flagged|rejected|removed|'
                    || 'withheld|violat[a-z]+|conflicts?)( [^ ]+){0,5} (content|filter|'
                    || 'moderat|responsible ai|guardrail|safety)'
            )
                then 'content_filter_output'
            when regexp_matches(
                words,
                ' (blocked|filtered|flagged|rejected|filters?|moderation|'
                    || 'guardrails?)( (for|of|on|in|the|your|this))* (generated|outputs?|'
                    || 'responses?) '
            )
                then 'content_filter_output'
            when regexp_matches(
                words,
                ' (generated|outputs?|responses?)( [^ ]+)? (filter|moderat|'
                    || 'guardrail|safety|was filtered|were filtered)'
            )
                then 'content_filter_output'
            when regexp_matches(
                words,
                ' (content ?(filter|polic|moderat)|responsible ai|guardrail|'
                    || 'moderat|acceptable use|nsfw|unsafe|inappropriate|safety)'
            )
                then 'content_filter_input'
            when regexp_matches(
                words,
                ' access to the (foundation )?model '
            )
                then 'unsupported_model'
            when regexp_matches(
                words,
                ' (s3|buckets?|kms|putobject|getobject|headobject) |'
                    || ' access ?denied|accessdenied| (forbidden|not authorized|'
                    || 'unauthorized|permissions?|credentials|assume role) '
            )
                then 'storage_access'
            when regexp_matches(
                words,
                ' (blocked|filtered|flagged) '
            )
                then 'content_filter_input'
            when regexp_matches(
                words,
                'time ?d? ?out|deadline|time limit| took too long '
            )
                then 'timeout'
            when regexp_matches(
                words,
                'capacity|throttl|quota|too ?many ?(requests|invocations|jobs|'
                    || 'tokens)|high demand|overload|service ?unavailable|'
                    || 'temporarily unavailable|(rate|request) (limit|exceeded)|'
                    || 'not ?ready| busy '
            )
                then 'capacity'
            when regexp_matches(
                words,
                ' (models?|versions?)( [^ ]+){0,8} (not (supported|available|found|'
                    || 'enabled)|does not (support|exist)|unsupported|unavailable|'
                    || 'deprecated|legacy|end of (its )?life|retired|no longer|invalid) '
            )
                then 'unsupported_model'
            when regexp_matches(
                words,
                ' (unsupported|unknown|invalid|deprecated|'
                    || 'no such)( foundation)? model '
            )
                then 'unsupported_model'
            when regexp_matches(
                words,
                'abort|cancel+ed|cancelation|cancellation| (stopped|interrupted) '
            )
                then 'aborted'
            when regexp_matches(
                words,
                ' (internal|unexpected)|server ?(error|fault)|service ?(error|'
                    || 'exception|failure)|unhandled|model ?error|error while|'
                    || 'something went wrong'
            )
                then 'internal_error'
            when regexp_matches(
                words,
                'valid|malformed|unsupported|corrupt| (must|requires?|required|'
                    || 'missing|exceeds?|exceeded|not supported|could not be (decoded|'
                    || 'read|parsed)|too (large|long|short|small|big|many)|dimensions?|'
                    || 'resolution|format) '
            )
                then 'validation'
        end as failure_category
    from failure_messages
)

select
    categorised.submit_date,
    categorised.failure_message,
    coalesce(
        own_failure_categories.failure_category, categorised.failure_category, 'unknown'
    ) as failure_category
from categorised
left join own_failure_categories
    on categorised.failure_message = own_failure_categories.failure_message
