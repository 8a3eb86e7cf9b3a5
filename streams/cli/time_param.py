"""Times as users type and read them. Pure, except that the type takes the current time."""

import re
from datetime import UTC, datetime

import click

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)([smhd])$")


class TimeParam(click.ParamType):
    """`90s`, `15m`, `2h`, `7d` (ago), or a time in RFC 3339; becomes epoch seconds."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return epoch seconds."""
        if isinstance(value, float):
            return value
        try:
            return parse_time_s(str(value), datetime.now(UTC).timestamp())
        except ValueError:
            self.fail(f"{value!r} is not a time: use 15m, 2h, 7d (ago), or 2026-11-24T09:00:00Z.")


def parse_time_s(text: str, now_s: float) -> float:
    """Epoch seconds of a duration before now, or of a time. Raises ValueError if it is neither."""
    duration = _DURATION.match(text)
    if duration is not None:
        return now_s - float(duration[1]) * _UNIT_SECONDS[duration[2]]
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        time = time.astimezone()
    return time.timestamp()


def format_clock(rfc3339: str) -> str:
    """The local time of day of a time in RFC 3339, with milliseconds."""
    return datetime.fromisoformat(rfc3339).astimezone().strftime("%H:%M:%S.%f")[:-3]


def format_minute(rfc3339: str) -> str:
    """The local day and time of a time in RFC 3339, to the minute."""
    return datetime.fromisoformat(rfc3339).astimezone().strftime("%m-%d %H:%M")
