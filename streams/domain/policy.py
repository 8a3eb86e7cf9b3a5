"""The numbers that the phone's decisions rest on, as settings give them. Seconds, unless named."""

import msgspec


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What every step must know beside the phone and the event."""

    rate_limit_per_minute: int = 30  # messages a minute to one recipient
    max_queue: int = 1000
    max_retries: int = 3
    retry_delay_s: float = 5.0
    clock_skew_s: float = 0.5
    dispatch_timeout_s: float = (
        30.0  # how long a lane may hold a release before it must not submit it any more
    )
    unknown_after_s: float = 3600.0
    idempotency_window_s: float = 604_800.0
    conversation_expiry_s: float = 3600.0
    lookup_cache_found_s: float = (
        604_800.0  # how long a number that is on WhatsApp need not be asked for
    )
    lookup_cache_s: float = 600.0  # the same for one that is not
    id_namespace: str = "wa"  # of the WhatsApp ids
