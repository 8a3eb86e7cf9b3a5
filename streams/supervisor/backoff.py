"""How long is waited before a part that ended is started again. Pure: time and chance come in."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """Seconds. The n-th restart of a series waits between a half and the whole of `base_s · 2ⁿ`,
    at most `cap_s`; a part that ran for `calm_s` begins a new series.
    """

    base_delay_s: float = 0.5
    max_delay_s: float = 30.0
    reset_after_s: float = 60.0


class Backoff:
    """Counts the endings of one series. `chance` answers a number in [0, 1)."""

    def __init__(self, policy: BackoffPolicy, jitter: Callable[[], float]) -> None:
        self._policy = policy
        self._jitter = jitter
        self._exits = 0

    def record_exit(self, uptime_s: float) -> float:
        """The part ended after so many seconds; returns the seconds to wait."""
        if uptime_s >= self._policy.reset_after_s:
            self._exits = 0
        delay_s = min(
            self._policy.max_delay_s, self._policy.base_delay_s * 2 ** min(self._exits, 30)
        )
        self._exits += 1
        return delay_s * (0.5 + self._jitter() / 2)
