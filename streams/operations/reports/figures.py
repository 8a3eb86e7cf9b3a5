"""The figures of a report: the funnel, the times of its steps, failures, hours, groups. Pure: it only counts."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, Literal

import msgspec
import numpy as np

from streams.operations.reports.columns import STATUS_CODES, Column
from streams.operations.reports.messages import NEVER, Messages

Dimension = Literal["account", "template", "batch", "hour", "country"]

MS: Final = 1000
_HOUR_MS: Final = 3_600_000
_QUARTER_MS: Final = 900_000  # time zones differ by quarters of an hour
_MIN_SENT_OF_BEST: Final = 20  # of fewer messages, a share says nothing
_BEST_HOURS: Final = 3
_STATUS_NAMES: Final = {code: name for name, code in STATUS_CODES.items() if name != "played"}


class Times(msgspec.Struct, frozen=True):
    """Seconds between two steps, of the messages that made both. None: there are none."""

    p50_s: float | None = None
    p95_s: float | None = None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What became of some messages. A message that was read counts as delivered and as sent, too."""

    messages: int  # accepted, and rejected on arrival
    accepted: int
    sent: int
    delivered: int
    read: int
    failed: int  # ended without being sent: failed, rejected, expired, cancelled, unknown
    open: int  # neither sent nor ended
    accepted_to_sent: Times
    sent_to_delivered: Times
    delivered_to_read: Times


class Group(msgspec.Struct, frozen=True):
    """The figures of one account, template, batch, hour of the day or country."""

    name: str
    figures: Figures


class Failure(msgspec.Struct, frozen=True):
    """How many messages ended with this status and error code; the code is empty if the status has none."""

    status: str
    code: str
    messages: int


class Hour(msgspec.Struct, frozen=True):
    """The messages that were sent in this hour of the day, and how many of them were read, how soon."""

    hour: int
    sent: int
    read: int
    read_share: float | None
    sent_to_read: Times
    is_best: bool = False


def count_all(messages: Messages) -> Figures:
    """The figures of all messages together."""
    groups = _count_groups(messages, np.zeros(len(messages), dtype=np.int64), 1)
    return groups[0]


def count_by(messages: Messages, dimension: Dimension, zone: tzinfo) -> list[Group]:
    """The figures of each group that has messages, the largest first; hours in their order."""
    if dimension == "hour":
        numbers = find_hours(messages.arrived_ms, zone)
        names = [f"{hour:02}:00" for hour in range(24)]
    else:
        numbers, names = getattr(messages, dimension), messages.texts[dimension]
    figures = _count_groups(messages, numbers, len(names))
    groups = [
        Group(name or "none", figure)
        for name, figure in zip(names, figures, strict=True)
        if figure.messages
    ]
    if dimension != "hour":
        groups.sort(key=lambda group: (-group.figures.messages, group.name))
    return groups


def _count_groups(messages: Messages, numbers: Column, count: int) -> list[Figures]:
    def tally(chosen: Column) -> list[int]:
        return np.bincount(numbers[chosen], minlength=count).tolist()

    is_sent, is_failed = messages.is_sent, messages.is_failed
    counts: Mapping[str, list[int]] = {
        "messages": tally(np.ones(len(messages), dtype=bool)),
        "accepted": tally(messages.is_accepted),
        "sent": tally(is_sent),
        "delivered": tally(messages.is_delivered),
        "read": tally(messages.is_read),
        "failed": tally(is_failed | ~messages.is_accepted),
        "open": tally(messages.is_accepted & ~is_sent & ~is_failed),
    }
    times = {
        "accepted_to_sent": _measure(messages.arrived_ms, messages.sent_ms, numbers, count),
        "sent_to_delivered": _measure(messages.sent_ms, messages.delivered_ms, numbers, count),
        "delivered_to_read": _measure(messages.delivered_ms, messages.read_ms, numbers, count),
    }
    values: dict[str, list[Any]] = {**counts, **times}
    return [
        Figures(**{name: column[number] for name, column in values.items()})
        for number in range(count)
    ]


def _measure(from_ms: Column, to_ms: Column, numbers: Column, count: int) -> list[Times]:
    """The times of each group, by the nearest rank."""
    is_known = (from_ms != NEVER) & (to_ms != NEVER)
    durations = np.maximum(to_ms[is_known] - from_ms[is_known], 0)
    groups = numbers[is_known]
    order = np.lexsort((durations, groups))
    durations, groups = durations[order], groups[order]
    sizes = np.bincount(groups, minlength=count)
    starts = np.cumsum(sizes) - sizes

    def rank(start: int, size: int, percent: int) -> float:
        return int(durations[start + (size * percent + 99) // 100 - 1]) / MS

    return [
        Times(rank(start, size, 50), rank(start, size, 95)) if size else Times()
        for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)
    ]


def count_failures(messages: Messages) -> list[Failure]:
    """How the messages ended that were not sent, the most frequent way first."""
    is_failed = messages.is_failed | ~messages.is_accepted
    pairs = np.stack([messages.failed_status[is_failed], messages.failed_code[is_failed]])
    unique, counts = np.unique(pairs, axis=1, return_counts=True)
    failures = [
        Failure(_STATUS_NAMES[status], messages.texts["code"][code], count)
        for status, code, count in zip(
            unique[0].tolist(), unique[1].tolist(), counts.tolist(), strict=True
        )
    ]
    return sorted(failures, key=lambda failure: (-failure.messages, failure.status, failure.code))


def count_hours(messages: Messages, zone: tzinfo) -> list[Hour]:
    """All 24 hours of the day. The best ones have the largest share of messages that were read."""
    is_known = messages.sent_ms != NEVER
    sent_ms, read_ms = messages.sent_ms[is_known], messages.read_ms[is_known]
    hours = find_hours(sent_ms, zone)
    sent = np.bincount(hours, minlength=24).tolist()
    read = np.bincount(hours[read_ms != NEVER], minlength=24).tolist()
    times = _measure(sent_ms, read_ms, hours, 24)
    shares = [read[hour] / sent[hour] if sent[hour] else None for hour in range(24)]
    candidates = [hour for hour in range(24) if sent[hour] >= _MIN_SENT_OF_BEST and read[hour]]
    best = sorted(candidates, key=lambda hour: shares[hour] or 0.0, reverse=True)[:_BEST_HOURS]
    return [
        Hour(hour, sent[hour], read[hour], shares[hour], times[hour], hour in best)
        for hour in range(24)
    ]


def find_hours(times_ms: Column, zone: tzinfo) -> Column:
    """The hour of the day in this zone, of each time."""
    quarters, index = np.unique(times_ms // _QUARTER_MS, return_inverse=True)
    offsets_ms = np.array(
        [_find_offset_ms(quarter * _QUARTER_MS, zone) for quarter in quarters.tolist()],
        dtype=np.int64,
    )
    if not len(quarters):
        return np.empty(0, dtype=np.int64)
    return (times_ms + offsets_ms[index]) // _HOUR_MS % 24


def _find_offset_ms(time_ms: int, zone: tzinfo) -> int:
    offset = datetime.fromtimestamp(time_ms / MS, UTC).astimezone(zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * MS)
