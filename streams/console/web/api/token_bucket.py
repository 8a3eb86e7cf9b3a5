"""How much may still be taken now, if so much flows in each second. Pure: the caller brings the time.

    level(t) = min(capacity, level(t0) + rate * (t - t0))

An amount is taken as a whole or not at all, so nothing large starves behind many small ones that are taken in part. The
capacity is one minute's amount: nobody who stays below the rate is ever refused.
"""

from typing import Final

WINDOW_S: Final = 60.0


class TokenBucket:
    """Full at the beginning. `now_s`: any monotonic clock, the same in each call."""

    def __init__(self, per_minute: int) -> None:
        self.capacity: Final = per_minute
        self._rate = per_minute / WINDOW_S
        self._level = float(per_minute)
        self._at_s: float | None = None

    def take(self, amount: int, now_s: float) -> float:
        """Take the amount, and return 0; or take nothing, and return the seconds after which it can be taken.

        An amount above the capacity is taken if the bucket is full: it could never be taken otherwise.
        """
        if self._at_s is not None:
            elapsed_s = max(0.0, now_s - self._at_s)
            self._level = min(float(self.capacity), self._level + elapsed_s * self._rate)
        self._at_s = now_s
        needed = min(amount, self.capacity)
        if self._level >= needed:
            self._level -= amount
            return 0.0
        return (needed - self._level) / self._rate
