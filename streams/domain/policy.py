"""The limits and times on which the decisions about a phone rest, as the settings give them.

Times are in seconds. A value that only the dispatcher's or the sender's own code needs does not belong
here.
"""

import msgspec

from streams.domain.quiet_hours import QuietHours


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What every step must know besides the phone and the event."""

    # Per recipient: messages in any 60 seconds, and messages that may wait.
    rate_limit_per_minute: int = 30
    max_queue: int = 1000

    # A transient error: this many retries, with gaps that begin here and double.
    max_retries: int = 3
    retry_delay_s: float = 5.0

    # By how much the clocks of two brokers may differ.
    clock_skew_s: float = 0.5

    # A sender must not submit a message later than this after its dispatch.
    dispatch_timeout_s: float = 30.0

    # An attempt in doubt becomes `unknown` after this time.
    unknown_after_s: float = 3600.0

    # A repeat of a request is recognised for this long after the request is complete.
    idempotency_window_s: float = 604_800.0

    # An idle phone is remembered for this long.
    conversation_expiry_s: float = 3600.0

    # Marketing messages wait for the end of these hours, by the recipient's wall clock.
    quiet_hours: QuietHours | None = None

    # A received message that is one of these words (normalized) opts out of marketing messages, or in again. What the
    # recipient is sent then; empty: nothing.
    opt_out_words: frozenset[str] = frozenset({"stop"})
    opt_in_words: frozenset[str] = frozenset({"start"})
    opt_out_reply: str = ""
    opt_in_reply: str = ""

    # The key of the hashes under which the opt-outs of forgotten recipients are kept.
    opt_out_secret: bytes = b""

    # For this long a number need not be looked up again: one on WhatsApp, one that is not.
    lookup_cache_found_s: float = 604_800.0
    lookup_cache_s: float = 600.0
