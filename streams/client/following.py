"""Follows a topic of events from where the caller wants: a time, a position of his own, or that of a consumer group."""

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, TypeVar

from streams.client.events import ReadRecord
from streams.client.groups import follow_as_group, require_free_group
from streams.client.positions import parse_position
from streams.client.status_log import follow_log
from streams.settings import ClientSettings

T = TypeVar("T")

_LAST_TIME_S: Final = 253_402_300_799  # the end of the year 9999


def follow(
    settings: ClientSettings,
    topic: str,
    read: ReadRecord[T],
    *,
    since_s: float | None,
    after: str | None,
    group: str | None,
    skip_lost: bool,
) -> AsyncGenerator[T, None]:
    """The events of a topic, for ever. Raises ValueError if an argument is wrong, or if two starts are given."""
    if sum(start is not None for start in (since_s, after, group)) > 1:
        raise ValueError("give one of since_s, after and group")
    if since_s is not None:
        require_time(since_s)
    if group is not None:
        require_free_group(settings, group)
        return _follow_group(settings, topic, read, group, skip_lost=skip_lost)
    return follow_log(
        settings,
        topic,
        read,
        after=None if after is None else parse_position(after),
        since_s=since_s,
        skip_lost=skip_lost,
    )


async def _follow_group(
    settings: ClientSettings, topic: str, read: ReadRecord[T], group: str, *, skip_lost: bool
) -> AsyncGenerator[T, None]:
    records = follow_as_group(settings, topic, group, skip_lost=skip_lost)
    async with aclosing(records) as following:
        async for record in following:
            event = read(record.value, None)
            if event is not None:
                yield event


def require_time(since_s: float) -> None:
    """Raises ValueError if this is not a time in epoch seconds."""
    if not math.isfinite(since_s) or not 0 <= since_s <= _LAST_TIME_S:
        raise ValueError(f"since_s={since_s}: must be a time in epoch seconds")
