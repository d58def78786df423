"""Constants of the source: what the service allows, and the defaults of a run."""

from typing import Final, Literal

FailureMessages = Literal["keep", "redact", "drop"]
"""What happens to `failureMessage`, which AWS marks as sensitive."""

PAGE_SIZE: Final = 1_000
"""The largest `maxResults` that ListAsyncInvokes takes."""

REQUEST_MARGIN_US: Final = 1_000
"""How far a request reaches beyond its window: the service's boundary rules then do not matter."""

LAG_SECONDS: Final = 300
"""How late an invocation may become visible in the listing."""

CONCURRENCY: Final = 8
"""Calls of ListAsyncInvokes in flight, over all scopes."""

PIECE_PAGES: Final = 8
"""Pages that one piece of a long window is planned to have."""

SMALLEST_PIECE_PAGES: Final = 4
"""Each piece ends in a page that is half empty on average, so smaller ones would waste calls."""

READ_AHEAD_BYTES: Final = 50_000_000
"""Of all scopes: what may wait, having been read, until no more is asked for."""

BATCH_ROWS: Final = 50_000
BATCH_BYTES: Final = 50_000_000
"""A table that is handed to dlt has one or the other, since each hand-over has a fixed price."""

CHAIN_BYTES: Final = 8_000_000
"""A window is cut where its rows have so many bytes, though it has fewer pages than planned."""

TIED_BYTES: Final = 50_000_000
"""Rows that no window can be cut between, since they tie, have less: 100,000 in a microsecond."""

SLICE_BYTES: Final = 150_000_000
"""What one load package has at most, where rows are so wide that it comes before their number."""

TERMINAL_STATUSES: Final = ("Completed", "Failed")
"""An invocation with one of these does not change any more."""

MISSES_FORGIVEN: Final = 3
"""Runs in a row that do not list an open invocation, until it is looked for no more."""

CLOCK_TOLERANCE_SECONDS: Final = 5
"""How far the local clock may be off until the service's is taken; headers tell whole seconds."""

CLOCKS_APART_US: Final = 24 * 3600 * 1_000_000
"""How far a submitTime may be ahead of the service's clock and still be believed."""

CONNECT_TIMEOUT_SECONDS: Final = 5
READ_TIMEOUT_SECONDS: Final = 15
"""A page of 1,000 invocations takes well under a second; a call that hangs is tried again."""

CALL_SECONDS: Final = 60
"""A call that has not ended by then is given up, though bytes may still trickle in."""

ANSWER_BYTES: Final = 16_000_000
"""A page of 1,000 invocations takes 10 MB where each is as long as the service's model has it."""

ATTEMPTS_PER_CALL: Final = 5
"""Tries that botocore gives one call before the reader takes over."""

THROTTLED_SECONDS: Final = 120
"""How long a scope may be throttled without one answer until it counts as failed."""

RESUMES_WITHOUT_HEADWAY: Final = 6
"""Times that a window is taken up again before its scope counts as failed."""

EMPTY_PAGES: Final = 1_000
"""Pages without a row, one after the other, before the listing counts as endless."""
