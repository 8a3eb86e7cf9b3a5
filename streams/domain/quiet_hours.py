"""Quiet hours: when a marketing message may be sent again to somebody who is in one of these time zones.

The hours are wall-clock times, from a minute of the day up to and without another one; they may contain midnight.
Sending is allowed while the wall clock of every zone is outside them. In the night of a clock change the wall clock
counts: an hour that occurs twice is quiet twice, and an hour that does not occur is not waited for. Nothing here reads
a clock or knows a phone number.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

import msgspec

MINUTE_S: Final = 60
_DAY_MINUTES: Final = 1440
# Clock changes come between weeks, so hours that leave no time in a week leave none before the next change.
SEARCH_S: Final = 7 * 86_400


class QuietHours(msgspec.Struct, frozen=True):
    """The minutes of the day from which and up to which nothing is sent."""

    start_minute: int
    end_minute: int

    def contain(self, minute: int) -> bool:
        """Whether this minute of the day is quiet."""
        if self.start_minute < self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute


def parse_quiet_hours(text: str) -> QuietHours:
    """The hours that a text like `21:00-08:00` means.

    Raises:
        ValueError: it does not have this form, or both times are the same.
    """
    start_minute, end_minute = (_parse_minute(part) for part in text.split("-"))
    if start_minute == end_minute:
        raise ValueError("the hours begin and end at the same time")
    return QuietHours(start_minute, end_minute)


def _parse_minute(text: str) -> int:
    hour, minute = text.split(":")
    if not (0 <= int(hour) < 24 and 0 <= int(minute) < 60):
        raise ValueError(f"{text} is not a time of day")
    return int(hour) * 60 + int(minute)


def next_allowed_s(hours: QuietHours, zones: Sequence[tzinfo], now_s: float) -> float | None:
    """The first moment from now on that is quiet in none of the zones; None: there is none within a week."""
    at_s = now_s
    while at_s <= now_s + SEARCH_S:
        later_s = max(_get_quiet_end_s(hours, zone, at_s) for zone in zones)
        if later_s <= at_s:
            return at_s
        at_s = later_s
    return None


def next_quiet_s(hours: QuietHours, zones: Sequence[tzinfo], now_s: float) -> float:
    """The first moment from now on that is quiet in one of the zones."""
    awake = QuietHours(hours.end_minute, hours.start_minute)
    return min(_get_quiet_end_s(awake, zone, now_s) for zone in zones)


def _get_quiet_end_s(hours: QuietHours, zone: tzinfo, now_s: float) -> float:
    """The first moment from now on whose minute is not quiet in this zone."""
    local = _get_local_time(zone, now_s)
    at_s = now_s
    while hours.contain(local.hour * 60 + local.minute):
        # At the end of the hours, unless the clock is changed before it.
        minute_s = at_s // MINUTE_S * MINUTE_S
        minutes = (hours.end_minute - local.hour * 60 - local.minute) % _DAY_MINUTES
        end_s = minute_s + minutes * MINUTE_S
        end = _get_local_time(zone, end_s)
        if end.utcoffset() != local.utcoffset():
            return _scan_minutes(hours, zone, minute_s)
        at_s, local = end_s, end
    return at_s


def _scan_minutes(hours: QuietHours, zone: tzinfo, minute_s: float) -> float:
    """The same, minute by minute: the clock is changed before the hours end, so twice a year."""
    while True:
        local = _get_local_time(zone, minute_s)
        if not hours.contain(local.hour * 60 + local.minute):
            return minute_s
        minute_s += MINUTE_S


def _get_local_time(zone: tzinfo, at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC).astimezone(zone)
