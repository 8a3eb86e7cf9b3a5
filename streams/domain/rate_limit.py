"""The limit per recipient: a sliding log of sending times, exact. Not a bucket, which lets twice the limit through."""

from bisect import insort
from typing import Final

WINDOW_S: Final = 60.0


def earliest_s(times: tuple[float, ...], limit: int, margin_s: float) -> float:
    """The moment from which one more message keeps every window of 60 s within the limit; 0 if now.

    `times` are upper bounds of the arrivals at WhatsApp, so what is released at or after this moment
    arrives more than a window after the one that leaves the log. `margin_s` covers clocks that differ.
    """
    if len(times) < limit:
        return 0.0
    return times[-limit] + WINDOW_S + margin_s


def record(times: tuple[float, ...], at_s: float, limit: int) -> tuple[float, ...]:
    """The log with one more sending in it; no longer than it must be."""
    log = list(times)
    insort(log, at_s)  # two accounts' clocks may differ: the log stays sorted
    return tuple(log[-limit:])


def fade(times: tuple[float, ...], now_s: float, margin_s: float) -> tuple[float, ...]:
    """The log without what can no longer matter."""
    return tuple(at_s for at_s in times if at_s + WINDOW_S + margin_s > now_s)
