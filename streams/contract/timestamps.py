"""Times on the wire: RFC 3339, UTC, milliseconds (`2026-11-24T09:00:00.412Z`). This file reads no clock.

Inside the program a time is a float of epoch seconds, in a name that ends in `_s`. It becomes text
only in a record.

"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

EARLIEST_S: Final = 946_684_800.0  # 2000-01-01: an earlier time is a mistake, often one of the unit
LATEST_S: Final = 253_402_300_799.0  # 9999-12-31T23:59:59: RFC 3339 has no later year
_REMEMBERED_TIMES: Final = 256  # the records of one produce request have the same append time


@lru_cache(maxsize=_REMEMBERED_TIMES)
def format_rfc3339(epoch_s: float) -> str:
    """Format epoch seconds. A time before 1970 or after the year 9999 becomes the nearest valid time."""
    moment = datetime.fromtimestamp(min(max(epoch_s, 0.0), LATEST_S), UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def parse_rfc3339(text: str) -> float:
    """Parse a time, in any time zone that it names, into epoch seconds.

    Raises:
        ValueError: the text is not an RFC 3339 time, or has no time zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the time has no time zone")
    return moment.timestamp()


def format_age(age_s: float) -> str:
    """A duration in its largest unit: `45 s`, `12 min`, `3 h`, `9 d`."""
    for unit, unit_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if age_s >= 2 * unit_s:
            return f"{age_s / unit_s:.0f} {unit}"
    return f"{max(age_s, 0.0):.0f} s"
