-- One row per date of submission and distinct text of a failure message: the category that its words
-- put it into.
--
-- The first rule that fits wins, and a message that none fits is `unknown`. A rule sees the phrases
-- of failure_messages: 's3:PutObject isn't allowed' is ' s3 putobject is not allowed '. A message
-- that was redacted when it was loaded carries its category with it.
--
-- failure_category: by your own rules (own_failure_categories), else by those of this model's file
-- failure_fault: client, service or content; null for unknown and for a category of your own
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
                phrases,
                ' (moderation|content filters?|guardrails?|safety (system|check|filter|service|'
                || 'classifier)s?)( [^ ]+){0,3} (timed out|timeout|time out) '
            ) then 'timeout'
            when regexp_matches(
                phrases,
                ' (moderation|content filters?|guardrails?|safety (system|check|filter|service|'
                || 'classifier)s?)( [^ ]+){0,5} (unavailable|throttled|overloaded|not available|'
                || 'busy) '
            ) then 'capacity'
            when regexp_matches(
                phrases,
                ' (internal|unexpected|server|service)( [^ ]+)? (error|failure|'
                || 'exception)( [^ ]+){0,6} (moderation|content filters?|guardrails?|'
                || 'safety (system|check|filter|service|classifier)s?)|(moderation|'
                || 'content filters?|guardrails?|safety (system|check|filter|service|'
                || 'classifier)s?)( [^ ]+){0,6} (internal|unexpected|server|service) (error|'
                || 'failure|exception)|(not|unable to|failed to) (run|evaluate|apply|complete|'
                || 'reach|execute|perform)( [^ ]+){0,3} (moderation|content filters?|guardrails?|'
                || 'safety (system|check|filter|service|classifier)s?)'
            ) then 'internal_error'
            when regexp_matches(
                phrases,
                ' guardrail( identifier| id| arn| version)( [^ ]+){0,8} (invalid|not valid|'
                || 'not exist|not found|not ready) '
            ) then 'validation'
            when regexp_matches(
                phrases,
                ' rai( [^ ]+){0,3} (output|generated)| output( [^ ]+){0,2} deflect'
            ) then 'content_filter_output'
            when regexp_matches(
                phrases,
                ' rai( [^ ]+)? (violation|input|deflection)| input( [^ ]+)? deflect'
            ) then 'content_filter_input'
            when regexp_matches(
                phrases,
                ' (blocked|filtered|flagged|rejected|filters?|moderation|guardrails?|safety|'
                || 'responsible ai)( (failed|triggered|intervened|removed|filters?|system|blocked|'
                || 'rejected|withheld|flagged|check|checks|for|of|on|in|the|your|this|all|by|'
                || 'model|s))* (generated|produced|created|rendered|resulting|synthesi[sz]ed|'
                || 'outputs?|responses?|results?|completions?|final (video|image|clip|frame)s?) '
            ) then 'content_filter_output'
            when regexp_matches(
                phrases,
                ' (generated|produced|created|rendered|resulting|synthesi[sz]ed|outputs?|'
                || 'responses?|results?|completions?|final (video|image|clip|'
                || 'frame)s?)( [^ ]+){0,3} (for|from|of|to|by|with) (this|your|the|that|'
                || 'an?)( [^ ]+)? (prompt|input|request|image)( [^ ]+){0,5} (blocked|filtered|'
                || 'flagged|rejected|removed|withheld|deflected|moderated|suppressed|refused|'
                || 'violat[a-z]+|conflicts?|infring[a-z]+|triggered) '
            ) then 'content_filter_output'
            when regexp_matches(
                phrases,
                ' (prompts?|inputs?|references?|keyframes?|(source|reference|uploaded|provided|'
                || 'conditioning|start|first|last) (image|video|frame|text|audio)s?|user (text|'
                || 'image|video)s?)( [^ ]+){0,4} (blocked|filtered|flagged|rejected|removed|'
                || 'withheld|deflected|moderated|suppressed|refused|violat[a-z]+|conflicts?|'
                || 'infring[a-z]+|triggered)( [^ ]+){0,6} (content ?(filter|polic|moderat|'
                || 'guideline|restriction|safety|violation)|responsible ai|guardrail|moderat(ion|'
                || 'ed|or)|safety|acceptable use|aup |usage (polic|guideline)|terms of (use|'
                || 'service)|community (guideline|standard)|nsfw|unsafe|inappropriate|harmful|'
                || 'offensive|(prohibited|disallowed|forbidden|restricted|sensitive|adult|'
                || 'explicit) (content|material|image|imagery|topic|word|term)|(blacklist|'
                || 'blocklist|denylist|banned|blocked) ?(ed)? ?(word|term|content|phrase)|'
                || 'copyright|trademark|celebrit|public figure|polic(y|ies) violation|minors |'
                || 'self harm|real (people|person)|nudity|violence|violent|hateful|hate speech|'
                || 'sexual|toxic|profan|violat[a-z]+( [^ ]+){0,4} (polic(y|ies)|guidelines?|'
                || 'rules) )| (prompts?|inputs?|references?|keyframes?|(source|reference|uploaded|'
                || 'provided|conditioning|start|first|last) (image|video|frame|text|audio)s?|'
                || 'user (text|image|video)s?)( (was|were|is|are|has|have|been|text|image|or))*'
                || ' (blocked|filtered|flagged) '
            ) then 'content_filter_input'
            when regexp_matches(
                phrases,
                ' (generation|(generated|produced|created|rendered|resulting|synthesi[sz]ed|'
                || 'outputs?|responses?|results?|completions?|final (video|image|clip|'
                || 'frame)s?))( [^ ]+){0,8} (blocked|filtered|flagged|rejected|removed|withheld|'
                || 'deflected|moderated|suppressed|refused|violat[a-z]+|conflicts?|infring[a-z]+|'
                || 'triggered)( [^ ]+){0,5} ((content ?(filter|polic|moderat|guideline|'
                || 'restriction|safety|violation)|responsible ai|guardrail|moderat(ion|ed|or)|'
                || 'safety|acceptable use|aup |usage (polic|guideline)|terms of (use|service)|'
                || 'community (guideline|standard)|nsfw|unsafe|inappropriate|harmful|offensive|'
                || '(prohibited|disallowed|forbidden|restricted|sensitive|adult|'
                || 'explicit) (content|material|image|imagery|topic|word|term)|(blacklist|'
                || 'blocklist|denylist|banned|blocked) ?(ed)? ?(word|term|content|phrase)|'
                || 'copyright|trademark|celebrit|public figure|polic(y|ies) violation|minors |'
                || 'self harm|real (people|person)|nudity|violence|violent|hateful|hate speech|'
                || 'sexual|toxic|profan|violat[a-z]+( [^ ]+){0,4} (polic(y|ies)|guidelines?|'
                || 'rules) )|content|filter)'
            ) then 'content_filter_output'
            when regexp_matches(
                phrases,
                ' ((generated|produced|created|rendered|resulting|synthesi[sz]ed|outputs?|'
                || 'responses?|results?|completions?|final (video|image|clip|frame)s?)|(post|'
                || 'after) ?generation)( [^ ]+)? (filter|moderat|guardrail|safety|was filtered|'
                || 'were filtered)| (generated|produced|created|rendered|resulting|synthesi[sz]ed|'
                || 'outputs?|responses?|results?|completions?|final (video|image|clip|'
                || 'frame)s?)( [^ ]+){0,4} (not (pass|meet|comply)|failed|fails|contains?|'
                || 'contained|deemed|considered|found|may be|is|was|were)( [^ ]+){0,5}'
                || ' (content ?(filter|polic|moderat|guideline|restriction|safety|violation)|'
                || 'responsible ai|guardrail|moderat(ion|ed|or)|safety|acceptable use|aup |'
                || 'usage (polic|guideline)|terms of (use|service)|community (guideline|standard)|'
                || 'nsfw|unsafe|inappropriate|harmful|offensive|(prohibited|disallowed|forbidden|'
                || 'restricted|sensitive|adult|explicit) (content|material|image|imagery|topic|'
                || 'word|term)|(blacklist|blocklist|denylist|banned|blocked) ?(ed)? ?(word|term|'
                || 'content|phrase)|copyright|trademark|celebrit|public figure|polic(y|'
                || 'ies) violation|minors |self harm|real (people|person)|nudity|violence|violent|'
                || 'hateful|hate speech|sexual|toxic|profan|violat[a-z]+( [^ ]+){0,4} (polic(y|'
                || 'ies)|guidelines?|rules) )'
            ) then 'content_filter_output'
            when regexp_matches(
                phrases,
                ' (content ?(filter|polic|moderat|guideline|restriction|safety|violation)|'
                || 'responsible ai|guardrail|moderat(ion|ed|or)|safety|acceptable use|aup |'
                || 'usage (polic|guideline)|terms of (use|service)|community (guideline|standard)|'
                || 'nsfw|unsafe|inappropriate|harmful|offensive|(prohibited|disallowed|forbidden|'
                || 'restricted|sensitive|adult|explicit) (content|material|image|imagery|topic|'
                || 'word|term)|(blacklist|blocklist|denylist|banned|blocked) ?(ed)? ?(word|term|'
                || 'content|phrase)|copyright|trademark|celebrit|public figure|polic(y|'
                || 'ies) violation|minors |self harm|real (people|person)|nudity|violence|violent|'
                || 'hateful|hate speech|sexual|toxic|profan|violat[a-z]+( [^ ]+){0,4} (polic(y|'
                || 'ies)|guidelines?|rules) )[a-z]*( [^ ]+){0,4} (in|on|by|within) (the |your |'
                || 'its |model )*(generated|produced|created|rendered|resulting|synthesi[sz]ed|'
                || 'outputs?|responses?|results?|completions?|final (video|image|clip|frame)s?) '
            ) then 'content_filter_output'
            when regexp_matches(
                phrases,
                ' (content ?(filter|polic|moderat|guideline|restriction|safety|violation)|'
                || 'responsible ai|guardrail|moderat(ion|ed|or)|safety|acceptable use|aup |'
                || 'usage (polic|guideline)|terms of (use|service)|community (guideline|standard)|'
                || 'nsfw|unsafe|inappropriate|harmful|offensive|(prohibited|disallowed|forbidden|'
                || 'restricted|sensitive|adult|explicit) (content|material|image|imagery|topic|'
                || 'word|term)|(blacklist|blocklist|denylist|banned|blocked) ?(ed)? ?(word|term|'
                || 'content|phrase)|copyright|trademark|celebrit|public figure|polic(y|'
                || 'ies) violation|minors |self harm|real (people|person)|nudity|violence|violent|'
                || 'hateful|hate speech|sexual|toxic|profan|violat[a-z]+( [^ ]+){0,4} (polic(y|'
                || 'ies)|guidelines?|rules) )|prompts? (is |was )?not (allowed|permitted|accepted)'
            ) then 'content_filter_input'
            when regexp_matches(
                phrases,
                ' access to ([^ ]+ ){0,3}models? | model access | (legacy|deprecated|retired|'
                || 'discontinued|decommissioned|sunset) (foundation )?models? |'
                || ' models?( [^ ]+){0,6} (legacy|deprecated|retired|discontinued|decommissioned|'
                || 'sunset|end of (its )?life|eol|no longer)|use case details|'
                || ' on demand throughput|no (such )?(foundation )?model | end of (its |'
                || 'their )?(service )?life| eol | (has|have|had|is|are|was|'
                || 'were)( been)? (retired|deprecated|sunset|discontinued|decommissioned) |'
                || 'resolve( [^ ]+){0,2} model '
            ) then 'unsupported_model'
            when regexp_matches(
                phrases,
                ' (not|no longer)( (currently|yet|longer|been|be|a|an|fully))* (supported|'
                || 'available|offered|enabled|launched) (in|for) (this|that|your|the|us|eu|ap|ca|'
                || 'sa|me|af|il|mx)( [^ ]+){0,3} (region|partition|account|[0-9]) '
            ) then 'unsupported_model'
            when regexp_matches(
                phrases,
                ' output( data)? config( or| and)? credentials '
            ) then 'storage_access'
            when regexp_matches(
                phrases,
                ' (unrecognized|invalid) ?client|expired ?token|invalid ?client ?token ?id|'
                || 'invalid ?(aws )?(access|api) ?key|signature ?does ?not ?match|'
                || 'incomplete ?signature|invalid ?signature|missing ?authentication|'
                || 'invalid ?identity ?token|auth ?failure|requestexpired|request has expired|'
                || ' signature( [^ ]+){0,6} (match|expired|invalid|valid) | (security|session|'
                || 'access|bearer|identity|auth|authentication|sts|oidc|sso|'
                || 'provided)( [^ ]+)? tokens?( [^ ]+){0,6} (expired|invalid|valid|malformed|'
                || 'missing|revoked) | tokens? (has |have |is |was |had )?(been |'
                || 'already )?(expired|revoked) |(access|api|secret) keys?( [^ ]+){0,5} (invalid|'
                || 'valid|expired|not exist|exist|disabled|deactivated|deleted|revoked|inactive|'
                || 'missing) '
            ) then 'credentials'
            when regexp_matches(
                phrases,
                ' (expired|invalid|missing|no|bad|revoked|stale|incorrect|wrong)( (valid|aws|'
                || 'security|session|temporary|iam|role|caller|your|the))* (credentials?|'
                || 'session) | credentials?( [^ ]+){0,6} (expired|invalid|valid|missing|revoked|'
                || 'rejected|not found|not|refreshed|loaded|located|refresh|expire) |(locate|find|'
                || 'load|refresh|retrieve|verify|get|obtain|check)( [^ ]+){0,2} credentials |'
                || ' session( [^ ]+){0,2} expired | (assume|assuming|assumed|assumption of|'
                || 'pass)( [^ ]+){0,4} roles? |assumerole|passrole| roles?( [^ ]+){0,10} (assumed|'
                || 'assume|trust|trusted) |perform (bedrock|sts|iam|aws marketplace|sso|'
                || 'organizations|sagemaker) '
            ) then 'credentials'
            when regexp_matches(
                phrases,
                ' internal ?(server|service|processing|model|system)? ?(error|failure|'
                || 'exception|fault)| unexpected (error|failure|exception|fault) '
            ) then 'internal_error'
            when regexp_matches(
                phrases,
                ' (input|image|video|audio|frame|keyframe|media|file|document|clip|stream|'
                || 'segment|base64)( [^ ]+){0,5} (quota|rate|throttl[a-z]*|concurren[a-z]*|'
                || 'capacity|requests|jobs)( [^ ]+){0,3} (limits?|exceeded|reached) '
            ) then 'capacity'
            when regexp_matches(
                phrases,
                ' model ?(input|parameters?|configuration|request)( [^ ]+){0,6} (invalid|'
                || 'not valid|validation|missing|unknown|unsupported|not supported|malformed|'
                || 'incomplete) '
            ) then 'validation'
            when regexp_matches(
                phrases,
                ' malformed (input|request)|required key|extraneous key| (prompt|input|context|'
                || 'sequence)( [^ ]+){0,4} (too long|too short|too large) |token limit|'
                || 'context (length|window)|too many( [^ ]+)? tokens in |(tokens?|character|'
                || 'characters|size|length|duration|pixel|resolution|frame) limit |'
                || ' max(imum)? (number of )?(input )?(tokens|characters) |ftufor'
            ) then 'validation'
            when regexp_matches(
                phrases,
                ' (input|image|video|audio|frame|keyframe|media|file|document|clip|stream|'
                || 'segment|base64)s?( [^ ]+){0,6} (corrupt[a-z]*|broken|truncated|damaged|'
                || 'malformed|unreadable|too (long|short|large|small|big|low|high|many)|exceeds?|'
                || 'exceeded|exceeding|decode[a-z]*|parsed?|probed|codec|(at least|at most|'
                || 'between|less than|more than|longer than|shorter than|larger than|'
                || 'smaller than)( [^ ]+){0,3} (seconds?|minutes?|hours?|mb|gb|bytes|pixels?|px|x|'
                || 'fps|frames)) | (not|cannot|unable to|failed to|failure to|'
                || 'error)( be)? (decode|parse|decoding|parsing|decoded|parsed|process|processing|'
                || 'open|read|reading)( [^ ]+){0,4} (input|image|video|audio|frame|keyframe|media|'
                || 'file|document|clip|stream|segment|base64)s? | (unsupported|invalid|unknown|'
                || 'unrecogni[sz]ed|bad|wrong)( [^ ]+){0,2} (format|codec|media|mime|container|'
                || 'extension|encoding|resolution|dimensions?|duration|aspect|file type|'
                || 'content type) |corrupt[a-z]*( [^ ]+)? (input|image|video|audio|frame|keyframe|'
                || 'media|file|document|clip|stream|segment|base64)|aspect ratio|frame rate|'
                || ' invalid (input|image|video|audio|prompt|parameters?|arguments?|value|'
                || 'content) '
            ) then 'validation'
            when regexp_matches(
                phrases,
                ' (job|invocation|task|request|execution)( (was|has|is|been|got))* (cancel+ed|'
                || 'aborted) '
            ) then 'aborted'
            when regexp_matches(
                phrases,
                ' (s3|amazons3|buckets?|kms[a-z]*|object storage|(put|get|head|list|delete|'
                || 'create)(object|bucket)[a-z0-9]*|generatedatakey|multipart upload|'
                || 'createmultipartupload|uploadpart|sse) |no ?such ?(key|bucket|upload|object)|'
                || '(permanent|temporary) ?redirect|slowdown|reduce your (request )?rate|'
                || 'specified (endpoint|key|upload|object)|invalid ?(bucket|object) ?(name|state|'
                || 'owner)|object( [^ ]+){0,4} (not exist|not found)| (encryption|master|'
                || 'customer managed|cmk|data|decryption) key|ciphertext| output (location|'
                || 'destination|folder|path|prefix|directory|uri)| (not|cannot|unable to|'
                || 'failed to|failure to|error)( [^ ]+)? (write|writing|upload|uploading|save|'
                || 'saving|store|storing|deliver|delivering|persist|persisting|put)( [^ ]+){0,4}'
                || ' (outputs?|results?|video|location|destination|storage)| (output|results?|'
                || 'video)( [^ ]+){0,2} (not|cannot)( [^ ]+){0,2} (written|uploaded|saved|stored|'
                || 'delivered|persisted)|all access to this|proposed upload|glacier|archived|'
                || 'method not allowed against'
            ) then 'storage_access'
            when regexp_matches(
                phrases,
                ' (generated|produced|created|rendered|resulting|synthesi[sz]ed|outputs?|'
                || 'responses?|results?|completions?|final (video|image|clip|'
                || 'frame)s?)( [^ ]+){0,4} (blocked|filtered|flagged|withheld) '
            ) then 'content_filter_output'
            when regexp_matches(
                phrases,
                ' (blocked|filtered|flagged|filters) '
            ) then 'content_filter_input'
            when regexp_matches(
                phrases,
                ' (not|un) ?(authori[sz]ed|authenticated|permitted to) |unauthori[sz]ed|'
                || 'unauthenticated|authori[sz]ation|authentication|authenticate| (permissions?|'
                || 'privileges?) |accessdeniedexception|access denied exception|explicit deny|'
                || 'not (allowed|permitted) to (call|invoke|perform|run|start|make) |(identity|'
                || 'resource) based policy| credentials? | iam | lacks? bedrock |'
                || ' identity( [^ ]+){0,4} verified |subscription ?required|opt ?in ?required|'
                || 'not subscribed|optin'
            ) then 'credentials'
            when regexp_matches(
                phrases,
                'access ?(is |was |has been )?(denied|disabled)|accessdenied| forbidden '
            ) then 'storage_access'
            when regexp_matches(
                phrases,
                'time ?d? ?out|deadline|time limit| took (too|longer)| (not|no)( [^ ]+){0,4}'
                || ' in time | (longer|exceed[a-z]*|beyond|past|within|over)( [^ ]+){0,5} (time|'
                || 'time frame|(minutes?|hours?) (allowed|limit|window|to))|(job|invocation|task|'
                || 'execution|run|processing|inference)( [^ ]+){0,4} (longer than|exceed[a-z]*|'
                || 'within|expired)( [^ ]+){0,5} (minutes?|hours?|seconds?|time|duration|limit|'
                || 'window)| (allowed|allotted|permitted) time | waited| too long (for|to)|(job|'
                || 'invocation|task|request) expired | (allowed|allotted|permitted|'
                || 'maximum)( of)? [0-9]+ (minutes|hours) |max(imum)? (allowed )?(execution|run|'
                || 'running|processing|wait|waiting|job|inference|wall|queue)( clock)? ?(time|'
                || 'duration)|(no|not) (response|respond|answer|complete|completed|finish|'
                || 'finished|return|returned|result|results|reply|output|heartbeat|progress|start|'
                || 'started)( [^ ]+){0,8} (within|after|in) [0-9]'
            ) then 'timeout'
            when regexp_matches(
                phrases,
                'capacity|throttl|quota|too ?many( [^ ]+){0,3} ?(requests?|invocations?|jobs|'
                || 'calls|connections|tasks|tokens)| (traffic|surge) |(high|heavy|peak|increased|'
                || 'current|much)( [^ ]+)? (demand|load|volume)| (at a time|at once|'
                || 'simultaneous(ly)?|in parallel) |overload|service ?unavailable|(temporarily|'
                || 'momentarily|presently|currently) (unavailable|not available|overloaded|unable|'
                || 'busy|at)| not( [^ ]+)? (available|ready) (at this time|right now|'
                || 'at the moment|currently)|(service|server|endpoint|backend|bedrock|system|'
                || 'platform)( [^ ]+){0,2} ((not|no longer)( (currently|yet|longer|been|be|a|an|'
                || 'fully))* available|unavailable|down|busy)|rate( [^ ]+){0,2} (limit|exceeded)|'
                || '(request|usage|concurren[a-z]+|throughput|account|service|invocation|'
                || 'job)( [^ ]+){0,2} limits?|limit ?exceeded ?exception|(limit|'
                || 'maximum)( [^ ]+){0,4} (concurrent|rate|requests|jobs|invocations)|concurrency|'
                || 'concurrent( [^ ]+){0,3} (limit|maximum|reached|exceed)|not ?ready| busy |'
                || '(insufficient|not enough|no available|no free|no idle|no more|exhausted|'
                || 'lack of|out of)( [^ ]+){0,2} (resources?|gpus?|compute|instances?|workers?|'
                || 'accelerators?|throughput|slots?|hosts?) | no (gpus?|workers?|hosts?) |'
                || 'exceeded( [^ ]+){0,3} throughput|not (accept|take|admit)( [^ ]+){0,3}'
                || ' (requests?|jobs?|invocations?|work)|resources?( [^ ]+){0,2} exhausted|'
                || 'resourceexhausted|bedrock is unable to process|(slow|back) (your|down|off)|'
                || ' 429 (too|$)|(http|status|code|error) 429 |queue( [^ ]+){0,2} full'
            ) then 'capacity'
            when regexp_matches(
                phrases,
                ' models?( [^ ]+){0,3} not (support|accept|allow)( [^ ]+){0,5} (resolution|'
                || 'duration|format|ratio|parameter|parameters|field|size|dimension|dimensions|'
                || 'length|language|value|values|input|inputs|image|images|option|video|audio|'
                || 'setting|content|mode|type) '
            ) then 'validation'
            when regexp_matches(
                phrases,
                ' (model|backend|worker|service|server|pipeline|container|engine|'
                || 'endpoint)( [^ ]+)? (returned|produced|generated|emitted|gave|raised|threw|'
                || 'reported|hit)( [^ ]+){0,3} (invalid|empty|malformed|corrupt|unexpected|'
                || 'errors?|exceptions?|failures?|nothing) '
            ) then 'internal_error'
            when regexp_matches(
                phrases,
                ' (models?|versions?|inference profile)( [^ ]+){0,8} ((not|'
                || 'no longer)( (currently|yet|longer|been|be|a|an|fully))* (supported|available|'
                || 'found|enabled|recogni[sz]ed|offered|exist|granted|activated|allowed|valid|'
                || 'known)|not (support|exist)|(is|was|are|id|identifier|name|arn|'
                || 'version) (unsupported|unavailable|unknown|invalid|inaccessible|removed|'
                || 'unrecogni[sz]ed|nonexistent|withdrawn)) |(unsupported|unknown|invalid|'
                || 'unrecogni[sz]ed|nonexistent|deprecated|missing|wrong)( foundation|'
                || ' base)? model|resource ?not ?found|resource arn was not found|not (support|'
                || 'offer)( [^ ]+){0,3} models?| only( [^ ]+){0,3} (synchronous|streaming)|'
                || ' a?sync[a-z]*( [^ ]+){0,3} (not|no longer)( (currently|yet|longer|been|be|a|'
                || 'an|fully))* (supported|available|enabled)'
            ) then 'unsupported_model'
            when regexp_matches(
                phrases,
                'abort|cancel+ed|cancell?ing|cancel+ation| (stopped|interrupted|terminated|'
                || 'preempted|killed|halted|evicted|superseded|shut down|shutdown) '
            ) then 'aborted'
            when regexp_matches(
                phrases,
                ' internal| unexpected (error|failure|exception|fault|condition|problem|issue|'
                || 'state|behaviou?r|server|internal|termination|crash|close|response|result|end|'
                || 'exit|while|during)| unexpectedly |server( ?side)? ?(error|fault|failure)|'
                || 'service ?(error|exception|failure|fault)|unhandled|uncaught|'
                || 'model ?(stream ?)?error|error (while|during|processing|dispatching|running|'
                || 'generating|executing|invoking|in the service|on our (side|end))|(error|'
                || 'problem|failure|issue|fault) (has |was |have )?(occurred|encountered|'
                || 'happened)( [^ ]+)? (while|during|in|on|when|processing|and|please|try|our|the|'
                || 'inside|within)|(error|problem|failure|issue|fault) (has |was |'
                || 'have )?(occurred|encountered|happened) $|something went wrong|unknown error|'
                || 'crash|out of memory| oom | cuda | gpu |(process|worker|host|instance|node|'
                || 'container) (died|exited|lost|disappeared)|system (error|failure|fault)|'
                || 'unexpected happened|segmentation fault|null ?pointer|stack ?trace| panic|'
                || 'bad gateway|gateway error|(http|status|code|error|returned|with|got) (500|502|'
                || '503|504) | (500|502|503|504) $|hardware|connection( [^ ]+)? (reset|refused|'
                || 'closed|lost|error|broken)|network (error|failure)|dependency|downstream|'
                || 'upstream|(on|at) our (end|side)|(job|task|processing|invocation|inference|'
                || 'generation|pipeline|execution|workflow|callback|embedding|rendering|'
                || 'transcoding|encoding) (has |have |was |is )?(failed|failure|error|exception)|'
                || ' (step|stage|worker|backend|renderer|encoder|server|service|engine|node|'
                || 'container) failed |(failed|unable|could not|not able|'
                || 'cannot)( to)? (to )?(process|complete|generate|fulfil+|finish|produce|'
                || 'dispatch|start|schedule|execute|run|handle|create|serve|load model|perform)|'
                || ' fault '
            ) then 'internal_error'
            when regexp_matches(
                phrases,
                'valid|malformed|unsupported|corrupt|bad ?request|mismatch|conflict|duplicate|'
                || 'not match| (must|should|requires?|required|missing|exceeds?|exceeded|'
                || 'exceeding|expected|provide|provided|specify|specified|empty|blank|'
                || 'unrecogni[sz]ed|unknown|incompatible|not( [^ ]+)? (supported|allowed|'
                || 'permitted|accepted|recogni[sz]ed|found|provided|exist|be|match|divisible|'
                || 'accessible|within)|out of (range|bounds)|too (large|long|short|small|big|many|'
                || 'few|high|low)|at (least|most)|above|below|limits?|less than|greater than|'
                || 'more than|between|dimensions?|resolution|format|parameters?|fields?|schema|'
                || 'syntax|json|decode|decoded|parse|parsed|read|constraints?) |failed to read|'
                || 'maximum|minimum|illegal| only( [^ ]+){0,7} (supported|allowed|accepted|'
                || 'permitted) |not (contain|have|include) | no( [^ ]+){0,2} (stream|track|'
                || 'content|prompt|input|frames?|image|text|audio|video) | one of | (allowed|'
                || 'permitted|accepted|valid) values |wrong (type|value|size)| (adjust|choose|'
                || 'upload|re encode) |not be (decoded|read|parsed)'
            ) then 'validation'
            when regexp_matches(
                phrases,
                'please (try again|retry)|retry your request|try again later'
            ) then 'internal_error'
        end as failure_category
    from failure_messages
),

chosen as (
    select
        categorised.submit_date,
        categorised.failure_message,
        coalesce(
            own_failure_categories.failure_category, categorised.failure_category, 'unknown'
        ) as failure_category
    from categorised
    left join own_failure_categories
        on categorised.failure_message = own_failure_categories.failure_message
)

select
    submit_date,
    failure_message,
    failure_category,
    case
        when failure_category = 'content_filter_output' then 'content'
        when
            failure_category in (
                'content_filter_input', 'storage_access', 'credentials', 'validation',
                'unsupported_model'
            ) then 'client'
        when
            failure_category in ('capacity', 'internal_error', 'aborted', 'timeout') then 'service'
    end as failure_fault
from chosen
