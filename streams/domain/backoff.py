"""How long to wait before the next try: the one formula for it. Pure: the caller brings the chance.

    bound(n) = min(max_delay_s, base_delay_s * 2^n)             n = 0 before the first retry
    delay(n) = bound(n) * (1 - jitter + jitter * random_fraction)

With `jitter` 0 the delay is the bound. With 0.5 it lies in the upper half of it, so that nobody retries
at once. With 1 ("full jitter") it lies anywhere below it, so that many who failed together do not come
back together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from zlib import crc32

MAX_RETRY_DELAY_S: Final = 300.0
_MAX_EXPONENT: Final = 30  # 2^30 times any base is beyond every maximum in use


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays that double up to a maximum. `jitter` is the share of a delay that is left to chance."""

    base_delay_s: float
    max_delay_s: float
    jitter: float = 0.0

    def delay_s(self, *, retry: int, random_fraction: float = 1.0) -> float:
        """Seconds before this retry, counted from 0. `random_fraction` is a number in [0, 1)."""
        bound_s = min(self.max_delay_s, self.base_delay_s * 2 ** min(retry, _MAX_EXPONENT))
        return bound_s * (1 - self.jitter + self.jitter * random_fraction)


class BackoffSeries:
    """Counts the failures of something that is started again each time. A long run begins a new series."""

    def __init__(
        self, backoff: Backoff, *, reset_after_s: float, random_fraction: Callable[[], float]
    ) -> None:
        self._backoff = backoff
        self._reset_after_s = reset_after_s
        self._random_fraction = random_fraction
        self._failures = 0

    def record_failure(self, *, uptime_s: float) -> float:
        """It failed after running this long. Returns the seconds to wait before the next start."""
        if uptime_s >= self._reset_after_s:
            self._failures = 0
        delay_s = self._backoff.delay_s(
            retry=self._failures, random_fraction=self._random_fraction()
        )
        self._failures += 1
        return delay_s


_DEFERRALS: Final = Backoff(base_delay_s=0.5, max_delay_s=30.0)


def retry_delay_s(*, request_id: str, attempt: int, base_delay_s: float) -> float:
    """Seconds between the failed attempt, counted from 1, and the next one. Full jitter, at most 5 min.

    The chance is derived from the id and the attempt, so that a replayed log gives the same delay.
    """
    backoff = Backoff(base_delay_s=base_delay_s, max_delay_s=MAX_RETRY_DELAY_S, jitter=1.0)
    random_fraction = crc32(f"{request_id}/{attempt}".encode()) / 2**32
    return backoff.delay_s(retry=attempt - 1, random_fraction=random_fraction)


def deferral_delay_s(deferrals: int) -> float:
    """Seconds before a message that a sender handed back is dispatched again: 0.5, 1, 2 … at most 30."""
    return _DEFERRALS.delay_s(retry=deferrals)
