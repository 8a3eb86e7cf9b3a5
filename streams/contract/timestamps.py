"""Times on the wire: RFC 3339, UTC, milliseconds (`2026-11-24T09:00:00.412Z`). Reads no clock."""

from datetime import UTC, datetime
from typing import Final

EARLIEST_S: Final = (
    946_684_800.0  # 2000-01-01: what lies before it is a mistake, often milliseconds
)
LATEST_S: Final = 253_402_300_799.0  # 9999-12-31T23:59:59: RFC 3339 knows no later year


def format_rfc3339(epoch_s: float) -> str:
    """A moment in epoch seconds; what lies outside RFC 3339's years becomes its first or last moment."""
    moment = datetime.fromtimestamp(min(max(epoch_s, 0.0), LATEST_S), UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def parse_rfc3339(text: str) -> float:
    """The moment in epoch seconds.

    Raises:
        ValueError: it is no RFC 3339 time, or has no time zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the time has no time zone")
    return moment.timestamp()
