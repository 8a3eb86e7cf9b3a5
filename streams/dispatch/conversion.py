"""What the core gets: Kafka's records and the settings in its own terms. Decides nothing, reads nothing."""

from typing import Any

from faust.types import EventT

from streams.domain.consent.words import normalize_all
from streams.domain.phone.events import SourceRecord
from streams.domain.policy import Policy
from streams.domain.quiet_hours import parse_quiet_hours
from streams.settings import Settings


def to_source_record(event: EventT[Any]) -> SourceRecord:
    """The Kafka record as it came."""
    message: Any = event.message
    return SourceRecord(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=round((message.timestamp or 0.0) * 1000),
        key=message.key,
        value=message.value,
        headers=tuple((name, value) for name, value in message.headers or ()),
    )


def make_policy(settings: Settings) -> Policy:
    """The settings on which the core's decisions rest."""
    return Policy(
        rate_limit_per_minute=settings.rate_limit_per_minute,
        max_queue=settings.max_queue,
        max_retries=settings.max_retries,
        retry_delay_s=settings.retry_delay_ms / 1000,
        clock_skew_s=settings.clock_skew_ms / 1000,
        unknown_after_s=settings.unknown_after_s,
        idempotency_window_s=settings.idempotency_window_s,
        conversation_expiry_s=settings.conversation_expiry_s,
        lookup_cache_found_s=settings.lookup_cache_found_s,
        lookup_cache_s=settings.lookup_cache_s,
        quiet_hours=parse_quiet_hours(settings.quiet_hours) if settings.quiet_hours else None,
        opt_out_words=normalize_all(settings.opt_out_words),
        opt_in_words=normalize_all(settings.opt_in_words),
        opt_out_reply=settings.opt_out_reply or "",
        opt_in_reply=settings.opt_in_reply or "",
        opt_out_secret=(settings.opt_out_secret or "").encode(),
    )
