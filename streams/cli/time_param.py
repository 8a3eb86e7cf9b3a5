"""Times as users type and read them. A time that is counted from now is counted from the broker's, as all times are."""

import asyncio
import re
from datetime import datetime
from typing import NamedTuple

import click

from streams.kafka.broker_clock import fetch_broker_time_s
from streams.settings import ClientSettings

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)([smhd])")
_EXAMPLES = "use 15m, 2h, 7d (ago), or 2026-11-24T09:00:00Z."


class TypedTime(NamedTuple):
    """A time as it was typed: epoch seconds, or seconds ago."""

    seconds: float
    is_ago: bool = False

    def to_epoch_s(self, now_s: float) -> float:
        """Epoch seconds; what is longer ago than the epoch is the epoch."""
        return max(0.0, now_s - self.seconds) if self.is_ago else self.seconds


class TimeParam(click.ParamType):
    """`90s`, `15m`, `2h`, `7d` (ago), or a time in RFC 3339; becomes a `TypedTime`."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> TypedTime:
        """Read the text."""
        if isinstance(value, TypedTime):
            return value
        try:
            return parse_time(str(value))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a time: {_EXAMPLES}")


def parse_time(text: str) -> TypedTime:
    """A duration before now, or a time. Raises ValueError or OverflowError if it is neither."""
    duration = _DURATION.fullmatch(text)
    if duration is not None:
        return TypedTime(float(duration[1]) * _UNIT_SECONDS[duration[2]], is_ago=True)
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        time = time.astimezone()
    seconds = time.timestamp()
    if seconds < 0:
        raise ValueError(f"{text!r} is before 1970")
    return TypedTime(seconds)


def resolve_time(settings: ClientSettings, time: TypedTime | None) -> float | None:
    """Epoch seconds by the broker's clock. It is asked only if the time is counted from now."""
    if time is None:
        return None
    now_s = asyncio.run(fetch_broker_time_s(settings)) if time.is_ago else 0.0
    return time.to_epoch_s(now_s)


def format_clock(rfc3339: str) -> str:
    """The local time of a time in RFC 3339, with milliseconds; with its date, if that is not today."""
    local = datetime.fromisoformat(rfc3339).astimezone()
    is_today = local.date() == datetime.now().astimezone().date()
    return local.strftime("%H:%M:%S.%f" if is_today else "%Y-%m-%d %H:%M:%S.%f")[:-3]


def format_minute(rfc3339: str) -> str:
    """The local day and time of a time in RFC 3339, to the minute."""
    return datetime.fromisoformat(rfc3339).astimezone().strftime("%m-%d %H:%M")


def format_day(rfc3339: str) -> str:
    """The local day of a time in RFC 3339, with its year: for what lies months ahead."""
    return datetime.fromisoformat(rfc3339).astimezone().strftime("%Y-%m-%d")
