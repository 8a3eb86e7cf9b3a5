"""The limit per recipient: a sliding log of sending times, exact. Not a bucket, which lets twice the limit through."""

from bisect import insort
from typing import Final

WINDOW_S: Final = 60.0


def next_send_at_s(send_times_s: tuple[float, ...], limit: int, margin_s: float) -> float:
    """The moment from which one more message keeps every window of 60 s within the limit; 0 if now.

    `times` are upper bounds of the arrivals at WhatsApp, so what is released at or after this moment
    arrives more than a window after the one that leaves the log. `margin_s` covers clocks that differ.
    """
    if len(send_times_s) < limit:
        return 0.0
    return send_times_s[-limit] + WINDOW_S + margin_s


def add_send_time(send_times_s: tuple[float, ...], at_s: float, limit: int) -> tuple[float, ...]:
    """The log with one more sending in it; no longer than it must be."""
    updated = list(send_times_s)
    insort(updated, at_s)  # two accounts' clocks may differ: the log stays sorted
    return tuple(updated[-limit:])


def drop_expired(
    send_times_s: tuple[float, ...], now_s: float, margin_s: float
) -> tuple[float, ...]:
    """The log without what can no longer matter."""
    return tuple(at_s for at_s in send_times_s if at_s + WINDOW_S + margin_s > now_s)
