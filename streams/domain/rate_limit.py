"""The limit per recipient: a sliding log of sending times, exact to the message.

A token bucket would be cheaper and lets up to twice the limit through in one window; it must not be
used here. The log holds the last `limit` times and no more, so its size is bounded.

The limit is about arrivals at WhatsApp. The times in the log are upper bounds of them: the append times of the
outcomes, on the broker's clock, which also decides. `margin_s` covers the difference between the clocks of two
brokers, one of which may lead the partition after the other.
"""

from bisect import insort
from typing import Final

WINDOW_S: Final = 60.0


def next_send_at_s(send_times_s: tuple[float, ...], limit: int, margin_s: float) -> float:
    """The moment from which one more message keeps every window of 60 s within the limit; 0: now.

    `send_times_s` are upper bounds of the arrivals at WhatsApp. So what is dispatched at or after this
    moment arrives more than a window after the message that leaves the log.
    """
    if len(send_times_s) < limit:
        return 0.0
    return send_times_s[-limit] + WINDOW_S + margin_s


def add_send_time(send_times_s: tuple[float, ...], at_s: float, limit: int) -> tuple[float, ...]:
    """The log with one more time in it, no longer than it must be."""
    updated = list(send_times_s)
    insort(updated, at_s)  # two brokers' clocks may differ: the log stays sorted
    return tuple(updated[-limit:])
