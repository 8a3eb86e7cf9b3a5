"""What the core gets: Kafka's records and the settings in its own terms. Decides nothing, reads nothing."""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from faust.types import EventT

from streams.domain.consent.words import normalize_all
from streams.domain.phone.events import SourceRecord
from streams.domain.policy import Policy
from streams.domain.quiet_hours import parse_quiet_hours
from streams.kafka import topics
from streams.settings import Settings

log = logging.getLogger(__name__)


class LogRecord(NamedTuple):
    """A record of the phone log or the batch log, with the time at which the broker appended it."""

    offset: int
    data: bytes | None
    append_s: float


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


def to_log_records(events: Sequence[EventT[Any]], now_s: float) -> list[LogRecord]:
    """The Kafka records as a stage applies them."""
    return [
        LogRecord(event.message.offset, event.message.value, read_append_s(event, now_s))
        for event in events
    ]


def read_append_s(event: EventT[Any], now_s: float) -> float:
    """When the broker appended the record. One that was not stamped counts from now, which is never too early."""
    if event.message.timestamp_type == topics.APPEND_TIME_TYPE:
        return event.message.timestamp
    log.error("%s was not stamped by the broker", to_source_record(event).coordinates)
    return now_s


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
