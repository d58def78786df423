"""Sensitive text as it is stored: kept, redacted or dropped.

AWS marks failure messages as sensitive; text in members that have no column may be so, too.
"""

import hashlib
import re
from functools import lru_cache, partial
from typing import Final

import msgspec
import pyarrow as pa

from .options import FailureMessages

_REST: Final = "[a-z0-9_:/.+=@*%~-]*"
NAMES: Final = (
    (
        f"s3://{_REST}|arn:[a-z-]*:s3:{_REST}|"
        f"https?://[a-z0-9_/.-]{{0,200}}s3[a-z0-9.-]{{0,60}}amazonaws{_REST}",
        " s3 ",
    ),
    (f"arn:[a-z-]*:kms:{_REST}", " kms "),
    (
        "arn:[a-z-]*:bedrock:[a-z0-9:-]*(foundation-model|inference-profile|provisioned-model|"
        f"custom-model)/{_REST}|"
        "[a-z0-9]{1,20}[.][a-z0-9-]{1,80}-v[0-9]+:[0-9][a-z0-9:]*",
        " model ",
    ),
    (
        "(nova (reel|(multimodal )?embeddings?)|marengo|pegasus|luma ray)( embed)?"
        "( v?[0-9.]*[0-9])?",
        " model ",
    ),
    (f"arn:{_REST}|https?://[a-z0-9_:/.+=@*%~?&#-]*", " "),
)
"""Names of resources in lower case, and what they stand for. The name of a bucket or a role is no
reason for a failure, but would fit the rules."""
CONTRACTIONS: Final = (("can['\u2019]t", "cannot"), ("n['\u2019]t", " not"))
SEPARATORS: Final = ("[^a-z0-9]+", " ")

_MADE: Final = (
    "(generated|produced|created|rendered|resulting|synthesi[sz]ed|outputs?|responses?|results?|"
    "completions?|final (video|image|clip|frame)s?)"
)
_GIVEN: Final = (
    "(prompts?|inputs?|references?|keyframes?|(source|reference|uploaded|provided|conditioning|"
    "start|first|last) (image|video|frame|text|audio)s?|user (text|image|video)s?)"
)
_REFUSED: Final = (
    "(blocked|filtered|flagged|rejected|removed|withheld|deflected|moderated|suppressed|refused|"
    "violat[a-z]+|conflicts?|infring[a-z]+|triggered)"
)
_FILTERS: Final = (
    "(moderation|content filters?|guardrails?|safety (system|check|filter|service|classifier)s?)"
)
_POLICY: Final = (
    "(content ?(filter|polic|moderat|guideline|restriction|safety|violation)|responsible ai|"
    "guardrail|moderat(ion|ed|or)|safety|acceptable use|aup |usage (polic|guideline)|"
    "terms of (use|service)|community (guideline|standard)|nsfw|unsafe|inappropriate|harmful|"
    "offensive|(prohibited|disallowed|forbidden|restricted|sensitive|adult|explicit) (content|"
    "material|image|imagery|topic|word|term)|(blacklist|blocklist|denylist|banned|"
    "blocked) ?(ed)? ?(word|term|content|phrase)|copyright|trademark|celebrit|public figure|"
    "polic(y|ies) violation|minors |self harm|real (people|person)|nudity|violence|violent|"
    "hateful|hate speech|sexual|toxic|profan|violat[a-z]+( [^ ]+){0,4} (polic(y|ies)|"
    "guidelines?|rules) )"
)
_MEDIA: Final = (
    "(input|image|video|audio|frame|keyframe|media|file|document|clip|stream|segment|base64)"
)
_NOT: Final = "(not|cannot|unable to|failed to|failure to|error)"
_IS_NOT: Final = "(not|no longer)( (currently|yet|longer|been|be|a|an|fully))*"

CATEGORIES: Final = (
    # The filters did not work: what they were to look at is not to blame.
    ("timeout", f" {_FILTERS}( [^ ]+){{0,3}} (timed out|timeout|time out) "),
    (
        "capacity",
        f" {_FILTERS}( [^ ]+){{0,5}} (unavailable|throttled|overloaded|not available|busy) ",
    ),
    (
        "internal_error",
        " (internal|unexpected|server|service)( [^ ]+)? (error|failure|"
        f"exception)( [^ ]+){{0,6}} {_FILTERS}|{_FILTERS}( [^ ]+){{0,6}} (internal|unexpected|"
        "server|service) (error|failure|exception)|(not|unable to|failed to) (run|evaluate|"
        f"apply|complete|reach|execute|perform)( [^ ]+){{0,3}} {_FILTERS}",
    ),
    (
        "validation",
        " guardrail( identifier| id| arn| version)( [^ ]+){0,8} (invalid|not valid|not exist|"
        "not found|not ready) ",
    ),
    # Output and input: the noun beside the verb shows which was filtered.
    ("content_filter_output", " rai( [^ ]+){0,3} (output|generated)| output( [^ ]+){0,2} deflect"),
    ("content_filter_input", " rai( [^ ]+)? (violation|input|deflection)| input( [^ ]+)? deflect"),
    (
        "content_filter_output",
        " (blocked|filtered|flagged|rejected|filters?|moderation|guardrails?|safety|"
        "responsible ai)( (failed|triggered|intervened|removed|filters?|system|blocked|rejected|"
        f"withheld|flagged|check|checks|for|of|on|in|the|your|this|all|by|model|s))* {_MADE} ",
    ),
    (
        "content_filter_output",
        f" {_MADE}( [^ ]+){{0,3}} (for|from|of|to|by|with) (this|your|the|that|"
        f"an?)( [^ ]+)? (prompt|input|request|image)( [^ ]+){{0,5}} {_REFUSED} ",
    ),
    (
        "content_filter_input",
        f" {_GIVEN}( [^ ]+){{0,4}} {_REFUSED}( [^ ]+){{0,6}} {_POLICY}| {_GIVEN}( (was|were|is|"
        "are|has|have|been|text|image|or))* (blocked|filtered|flagged) ",
    ),
    (
        "content_filter_output",
        f" (generation|{_MADE})( [^ ]+){{0,8}} {_REFUSED}( [^ ]+){{0,5}} ({_POLICY}|content|"
        "filter)",
    ),
    (
        "content_filter_output",
        f" ({_MADE}|(post|after) ?generation)( [^ ]+)? (filter|moderat|guardrail|safety|"
        f"was filtered|were filtered)| {_MADE}( [^ ]+){{0,4}} (not (pass|meet|comply)|failed|"
        "fails|contains?|contained|deemed|considered|found|may be|is|was|"
        f"were)( [^ ]+){{0,5}} {_POLICY}",
    ),
    (
        "content_filter_output",
        f" {_POLICY}[a-z]*( [^ ]+){{0,4}} (in|on|by|within) (the |your |its |model )*{_MADE} ",
    ),
    (
        "content_filter_input",
        f" {_POLICY}|prompts? (is |was )?not (allowed|permitted|accepted)",
    ),
    # Models, before the access that a message may say was denied.
    (
        "unsupported_model",
        " access to ([^ ]+ ){0,3}models? | model access | (legacy|deprecated|retired|"
        "discontinued|decommissioned|sunset) (foundation )?models? |"
        " models?( [^ ]+){0,6} (legacy|deprecated|retired|discontinued|decommissioned|sunset|"
        "end of (its )?life|eol|no longer)|use case details| on demand throughput|"
        "no (such )?(foundation )?model | end of (its |their )?(service )?life| eol | (has|have|"
        "had|is|are|was|were)( been)? (retired|deprecated|sunset|discontinued|decommissioned) |"
        "resolve( [^ ]+){0,2} model ",
    ),
    (
        "unsupported_model",
        f" {_IS_NOT} (supported|available|offered|enabled|launched) (in|for) (this|that|your|the|"
        "us|eu|ap|ca|sa|me|af|il|mx)( [^ ]+){0,3} (region|partition|account|[0-9]) ",
    ),
    # The caller, as far as a token, a key, a role or an action of Bedrock shows.
    ("storage_access", " output( data)? config( or| and)? credentials "),
    (
        "credentials",
        " (unrecognized|invalid) ?client|expired ?token|invalid ?client ?token ?id|"
        "invalid ?(aws )?(access|api) ?key|signature ?does ?not ?match|incomplete ?signature|"
        "invalid ?signature|missing ?authentication|invalid ?identity ?token|auth ?failure|"
        "requestexpired|request has expired| signature( [^ ]+){0,6} (match|expired|invalid|"
        "valid) | (security|session|access|bearer|identity|auth|authentication|sts|oidc|sso|"
        "provided)( [^ ]+)? tokens?( [^ ]+){0,6} (expired|invalid|valid|malformed|missing|"
        "revoked) | tokens? (has |have |is |was |had )?(been |already )?(expired|revoked) |"
        "(access|api|secret) keys?( [^ ]+){0,5} (invalid|valid|expired|not exist|exist|"
        "disabled|deactivated|deleted|revoked|inactive|missing) ",
    ),
    (
        "credentials",
        " (expired|invalid|missing|no|bad|revoked|stale|incorrect|wrong)( (valid|aws|security|"
        "session|temporary|iam|role|caller|your|the))* (credentials?|session) |"
        " credentials?( [^ ]+){0,6} (expired|invalid|valid|missing|revoked|rejected|not found|"
        "not|refreshed|loaded|located|refresh|expire) |(locate|find|load|refresh|retrieve|"
        "verify|get|obtain|check)( [^ ]+){0,2} credentials | session( [^ ]+){0,2} expired |"
        " (assume|assuming|assumed|assumption of|pass)( [^ ]+){0,4} roles? |assumerole|"
        "passrole| roles?( [^ ]+){0,10} (assumed|assume|trust|trusted) |perform (bedrock|sts|"
        "iam|aws marketplace|sso|organizations|sagemaker) ",
    ),
    # What was given is unusable, wherever it is stored, unless it only names what was to be done.
    (
        "internal_error",
        " internal ?(server|service|processing|model|system)? ?(error|failure|exception|fault)|"
        " unexpected (error|failure|exception|fault) ",
    ),
    (
        "capacity",
        f" {_MEDIA}( [^ ]+){{0,5}} (quota|rate|throttl[a-z]*|concurren[a-z]*|capacity|requests|"
        "jobs)( [^ ]+){0,3} (limits?|exceeded|reached) ",
    ),
    (
        "validation",
        " model ?(input|parameters?|configuration|request)( [^ ]+){0,6} (invalid|not valid|"
        "validation|missing|unknown|unsupported|not supported|malformed|incomplete) ",
    ),
    (
        "validation",
        " malformed (input|request)|required key|extraneous key| (prompt|input|context|"
        "sequence)( [^ ]+){0,4} (too long|too short|too large) |token limit|context (length|"
        "window)|too many( [^ ]+)? tokens in |(tokens?|character|characters|size|length|"
        "duration|pixel|resolution|frame) limit | max(imum)? (number of )?(input )?(tokens|"
        "characters) |ftufor",
    ),
    (
        "validation",
        f" {_MEDIA}s?( [^ ]+){{0,6}} (corrupt[a-z]*|broken|truncated|damaged|malformed|"
        "unreadable|too (long|short|large|small|big|low|high|many)|exceeds?|exceeded|exceeding|"
        "decode[a-z]*|parsed?|probed|codec|(at least|at most|between|less than|more than|"
        "longer than|shorter than|larger than|smaller than)( [^ ]+){0,3} (seconds?|minutes?|"
        f"hours?|mb|gb|bytes|pixels?|px|x|fps|frames)) | {_NOT}( be)? (decode|parse|decoding|"
        "parsing|decoded|parsed|process|processing|open|read|"
        f"reading)( [^ ]+){{0,4}} {_MEDIA}s? | (unsupported|invalid|unknown|unrecogni[sz]ed|bad|"
        "wrong)( [^ ]+){0,2} (format|codec|media|mime|container|extension|encoding|resolution|"
        f"dimensions?|duration|aspect|file type|content type) |corrupt[a-z]*( [^ ]+)? {_MEDIA}|"
        "aspect ratio|frame rate| invalid (input|image|video|audio|prompt|parameters?|"
        "arguments?|value|content) ",
    ),
    (
        "aborted",
        " (job|invocation|task|request|execution)( (was|has|is|been|got))* (cancel+ed|aborted) ",
    ),
    # Where the output goes, and where the input is.
    (
        "storage_access",
        " (s3|amazons3|buckets?|kms[a-z]*|object storage|(put|get|head|list|delete|"
        "create)(object|bucket)[a-z0-9]*|generatedatakey|multipart upload|createmultipartupload|"
        "uploadpart|sse) |no ?such ?(key|bucket|upload|object)|(permanent|temporary) ?redirect|"
        "slowdown|reduce your (request )?rate|specified (endpoint|key|upload|object)|"
        "invalid ?(bucket|object) ?(name|state|owner)|object( [^ ]+){0,4} (not exist|"
        "not found)| (encryption|master|customer managed|cmk|data|decryption) key|ciphertext|"
        " output (location|destination|folder|path|prefix|directory|uri)|"
        f" {_NOT}( [^ ]+)? (write|writing|upload|uploading|save|saving|store|storing|deliver|"
        "delivering|persist|persisting|put)( [^ ]+){0,4} (outputs?|results?|video|location|"
        "destination|storage)| (output|results?|video)( [^ ]+){0,2} (not|"
        "cannot)( [^ ]+){0,2} (written|uploaded|saved|stored|delivered|persisted)|"
        "all access to this|proposed upload|glacier|archived|method not allowed against",
    ),
    # Filters that give no details.
    ("content_filter_output", f" {_MADE}( [^ ]+){{0,4}} (blocked|filtered|flagged|withheld) "),
    ("content_filter_input", " (blocked|filtered|flagged|filters) "),
    (
        "credentials",
        " (not|un) ?(authori[sz]ed|authenticated|permitted to) |unauthori[sz]ed|unauthenticated|"
        "authori[sz]ation|authentication|authenticate| (permissions?|privileges?) |"
        "accessdeniedexception|access denied exception|explicit deny|not (allowed|"
        "permitted) to (call|invoke|perform|run|start|make) |(identity|resource) based policy|"
        " credentials? | iam | lacks? bedrock | identity( [^ ]+){0,4} verified |"
        "subscription ?required|opt ?in ?required|not subscribed|optin",
    ),
    ("storage_access", "access ?(is |was |has been )?(denied|disabled)|accessdenied| forbidden "),
    (
        "timeout",
        "time ?d? ?out|deadline|time limit| took (too|longer)| (not|no)( [^ ]+){0,4} in time |"
        " (longer|exceed[a-z]*|beyond|past|within|over)( [^ ]+){0,5} (time|time frame|"
        "(minutes?|hours?) (allowed|limit|window|to))|(job|invocation|task|execution|run|"
        "processing|inference)( [^ ]+){0,4} (longer than|exceed[a-z]*|within|"
        "expired)( [^ ]+){0,5} (minutes?|hours?|seconds?|time|duration|limit|window)| "
        "(allowed|allotted|permitted) time | waited| too long (for|to)|"
        "(job|invocation|task|request) expired | (allowed|allotted|permitted|"
        "maximum)( of)? [0-9]+ (minutes|hours) |max(imum)? (allowed )?(execution|run|running|"
        "processing|wait|waiting|job|inference|wall|queue)( clock)? ?(time|duration)|(no|"
        "not) (response|respond|answer|complete|completed|finish|finished|return|returned|"
        "result|results|reply|output|heartbeat|progress|start|started)( [^ ]+){0,8} (within|"
        "after|in) [0-9]",
    ),
    (
        "capacity",
        "capacity|throttl|quota|too ?many( [^ ]+){0,3} ?(requests?|invocations?|jobs|calls|"
        "connections|tasks|tokens)| (traffic|surge) |"
        "(high|heavy|peak|increased|current|much)( [^ ]+)? (demand|load|volume)| (at a time|"
        "at once|simultaneous(ly)?|in parallel) |overload|service ?unavailable|"
        "(temporarily|momentarily|presently|currently) (unavailable|"
        "not available|overloaded|unable|busy|at)| not( [^ ]+)? (available|ready) (at this time|"
        "right now|at the moment|currently)|(service|server|endpoint|backend|bedrock|system|"
        f"platform)( [^ ]+){{0,2}} ({_IS_NOT} available|unavailable|down|busy)|"
        "rate( [^ ]+){0,2} (limit|exceeded)|(request|usage|concurren[a-z]+|throughput|"
        "account|service|invocation|job)( [^ ]+){0,2} limits?|limit ?exceeded ?exception|"
        "(limit|maximum)( [^ ]+){0,4} (concurrent|rate|requests|jobs|invocations)|concurrency|"
        "concurrent( [^ ]+){0,3} (limit|maximum|reached|exceed)|not ?ready|"
        " busy |(insufficient|not enough|no available|no free|no idle|no more|exhausted|lack of|"
        "out of)( [^ ]+){0,2} (resources?|gpus?|compute|instances?|workers?|accelerators?|"
        "throughput|slots?|hosts?) | no (gpus?|workers?|hosts?) |"
        "exceeded( [^ ]+){0,3} throughput|not (accept|take|admit)( [^ ]+){0,3} (requests?|"
        "jobs?|invocations?|work)|resources?( [^ ]+){0,2} exhausted|resourceexhausted|"
        "bedrock is unable to process|(slow|back) (your|down|off)| 429 (too|$)|(http|status|"
        "code|error) 429 |queue( [^ ]+){0,2} full",
    ),
    (
        "validation",
        " models?( [^ ]+){0,3} not (support|accept|allow)( [^ ]+){0,5} (resolution|duration|"
        "format|ratio|parameter|parameters|field|size|dimension|dimensions|length|language|"
        "value|values|input|inputs|image|images|option|video|audio|setting|content|mode|type) ",
    ),
    (
        "internal_error",
        " (model|backend|worker|service|server|pipeline|container|engine|"
        "endpoint)( [^ ]+)? (returned|produced|generated|emitted|gave|raised|threw|reported|"
        "hit)( [^ ]+){0,3} (invalid|empty|malformed|corrupt|unexpected|errors?|exceptions?|"
        "failures?|nothing) ",
    ),
    (
        "unsupported_model",
        f" (models?|versions?|inference profile)( [^ ]+){{0,8}} ({_IS_NOT} (supported|available|"
        "found|enabled|recogni[sz]ed|offered|exist|granted|activated|allowed|valid|known)|"
        "not (support|exist)|(is|was|are|id|identifier|name|arn|version) (unsupported|"
        "unavailable|unknown|invalid|inaccessible|removed|unrecogni[sz]ed|nonexistent|"
        "withdrawn)) |(unsupported|unknown|invalid|unrecogni[sz]ed|nonexistent|deprecated|"
        "missing|wrong)( foundation| base)? model|resource ?not ?found|"
        "resource arn was not found|not (support|offer)( [^ ]+){0,3} models?| only( [^ ]+){0,3} "
        "(synchronous|streaming)|"
        f" a?sync[a-z]*( [^ ]+){{0,3}} {_IS_NOT} (supported|available|enabled)",
    ),
    (
        "aborted",
        "abort|cancel+ed|cancell?ing|cancel+ation| (stopped|interrupted|terminated|preempted|"
        "killed|halted|evicted|superseded|shut down|shutdown) ",
    ),
    (
        "internal_error",
        " internal| unexpected (error|failure|exception|fault|condition|problem|issue|"
        "state|behaviou?r|server|internal|termination|crash|close|response|result|end|exit|"
        "while|during)| unexpectedly |server( ?side)? ?(error|fault|failure)|service ?(error|"
        "exception|failure|fault)|unhandled|uncaught|model ?(stream ?)?error|error (while|"
        "during|processing|dispatching|running|generating|executing|invoking|in the service|"
        "on our (side|end))|(error|problem|failure|issue|fault) (has |was |have )?(occurred|"
        "encountered|happened)( [^ ]+)? (while|during|in|on|when|processing|and|please|try|our|"
        "the|inside|within)|(error|problem|failure|issue|fault) (has |was |have )?(occurred|"
        "encountered|happened) $|something went wrong|unknown error|crash|out of memory| oom |"
        " cuda | gpu |(process|worker|host|instance|node|container) (died|exited|lost|"
        "disappeared)|system (error|failure|fault)|unexpected happened|segmentation fault|"
        "null ?pointer|stack ?trace| panic|bad gateway|gateway error|(http|status|code|error|"
        "returned|with|got) (500|502|503|504) | (500|502|503|504) $|hardware|"
        "connection( [^ ]+)? (reset|refused|closed|lost|error|broken)|network (error|failure)|"
        "dependency|downstream|upstream|(on|at) our (end|side)|(job|task|processing|invocation|"
        "inference|generation|pipeline|execution|workflow|callback|embedding|rendering|"
        "transcoding|encoding) (has |have |was |is )?(failed|failure|error|exception)| (step|"
        "stage|worker|backend|renderer|encoder|server|service|engine|node|container) failed |"
        "(failed|unable|could not|not able|cannot)( to)? (to )?(process|complete|generate|"
        "fulfil+|finish|produce|dispatch|start|schedule|execute|run|handle|create|serve|"
        "load model|perform)| fault ",
    ),
    (
        "validation",
        "valid|malformed|unsupported|corrupt|bad ?request|mismatch|conflict|duplicate|not match|"
        " (must|should|requires?|required|missing|exceeds?|exceeded|exceeding|expected|provide|"
        "provided|specify|specified|empty|blank|unrecogni[sz]ed|unknown|incompatible|"
        "not( [^ ]+)? (supported|allowed|permitted|accepted|recogni[sz]ed|found|provided|exist|"
        "be|match|divisible|accessible|within)|out of (range|bounds)|too (large|long|short|"
        "small|big|many|few|high|low)|at (least|most)|above|below|limits?|less than|"
        "greater than|more than|between|dimensions?|resolution|format|parameters?|fields?|"
        "schema|syntax|json|decode|decoded|parse|parsed|read|constraints?) |failed to read|"
        "maximum|minimum|illegal| only( [^ ]+){0,7} (supported|allowed|accepted|permitted) |"
        "not (contain|have|include) | no( [^ ]+){0,2} (stream|track|content|prompt|input|"
        "frames?|image|text|audio|video) | one of | (allowed|permitted|accepted|valid) values |"
        "wrong (type|value|size)| (adjust|choose|upload|re encode) |not be (decoded|read|parsed)",
    ),
    # Whatever the cause, the next attempt may succeed.
    ("internal_error", "please (try again|retry)|retry your request|try again later"),
)
"""First match wins, else `unknown`. More specific rules come first. The rules in
sql/staging/failure_categories.sql are generated from these."""

JSON_TEXT: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"(?P<is_name>:)?', re.DOTALL)
"""A text in JSON without spaces, or the name of a member."""


@lru_cache(maxsize=4096)
def category_of(message: str) -> str:
    """The failure category of a message. Most messages repeat, and all rules take 60 µs."""
    # `re` compiles a rule when it is first needed, which few runs do.
    phrases = phrases_of(message)
    return next((category for category, rule in CATEGORIES if re.search(rule, phrases)), "unknown")


def phrases_of(message: str) -> str:
    """Input of the rules: words in lower case between single blanks, without names of resources."""
    phrases = message.lower()
    for pattern, text in (*NAMES, *CONTRACTIONS, SEPARATORS):
        phrases = re.sub(pattern, text, phrases)
    return f" {phrases.strip()} "


def stored_messages(messages: pa.StringArray, treatment: FailureMessages) -> pa.StringArray:
    """The stored value of each message: the text, `redacted:<category>:<hash>`, or null.

    The hash is the first 16 hex digits of SHA-256, so that equal messages stay countable.
    """
    if treatment == "keep":
        return messages
    if treatment == "drop":
        return pa.nulls(len(messages), pa.string())
    redacted = [message and _redacted(message) for message in messages.to_pylist()]
    return pa.array(redacted, pa.string())


def stored_extra(extra: pa.StringArray, treatment: FailureMessages) -> pa.StringArray:
    """The stored JSON of each invocation's other members: its texts are `redacted:<hash>`, or null.

    Names, numbers, booleans and the structure stay.
    """
    if treatment == "keep" or extra.null_count == len(extra):
        return extra
    replace = partial(_stored_text, treatment=treatment)
    stored = [json and JSON_TEXT.sub(replace, json) for json in extra.to_pylist()]
    return pa.array(stored, pa.string())


def _stored_text(json: re.Match[str], treatment: FailureMessages) -> str:
    if json["is_name"]:
        return json[0]
    if treatment == "drop":
        return "null"
    text = msgspec.json.decode(json[0])
    return f'"redacted:{_hash(text)}"' if text else json[0]


def _redacted(message: str) -> str:
    return f"redacted:{category_of(message)}:{_hash(message)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
