"""What is tried next when a page fails, and how long is waited before; and when one that works has grown
too large. Pure: time and chance come in.

    failure 1   reload         at once
    failure 2   new page       after a random part of base_s
    failure 3…  new browser    after a random part of base_s · 2ⁿ, at most cap_s
    failure N   give up, and say so

A trouble that a reload cannot cure (the renderer is dead) starts higher. Only a page that was
healthy for `calm_s` seconds ends a series: one that dies each time right after it became ready is
not to be started a thousand times an hour.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from streams.domain.backoff import Backoff

_MIN_SAVING_FRACTION = 0.25  # of what a page may hold


def has_outgrown(heap_mb: float, initial_mb: float, max_mb: float) -> bool:
    """Whether a page is to be loaded anew: it holds more than it may, and a new one would hold much less.

    `fresh_mb` is what it held when it was young: an account whose page is that large from the beginning is
    not to be disconnected again and again. `most_mb` of 0: never.
    """
    return 0 < max_mb < heap_mb and heap_mb - initial_mb >= _MIN_SAVING_FRACTION * max_mb


class RecoveryLevel(IntEnum):
    """How much is thrown away."""

    RELOAD = 0
    NEW_PAGE = 1
    NEW_BROWSER = 2


@dataclass(frozen=True, slots=True)
class RecoveryStep:
    """Wait `delay_s` seconds, then do what the rung says."""

    level: RecoveryLevel
    delay_s: float


@dataclass(frozen=True, slots=True)
class RecoverySettings:
    """How often and how fast. With `limit` failures in one series the watchdog gives up.

    A page that answers and has made no progress to `ready` for `stuck_s` has failed too.
    """

    max_failures: int = 8
    backoff_base_s: float = 0.5
    backoff_max_s: float = 60.0
    healthy_reset_s: float = 60.0
    stuck_timeout_s: float = 300.0  # a first synchronization may take minutes


class RecoveryPolicy:
    """Counts the failures of one series. `chance` answers a number in [0, 1)."""

    def __init__(self, settings: RecoverySettings, random_fraction: Callable[[], float]) -> None:
        self._settings = settings
        self._backoff = Backoff(
            base_delay_s=settings.backoff_base_s, max_delay_s=settings.backoff_max_s, jitter=1.0
        )
        self._random_fraction = random_fraction
        self._failures = 0
        self._healthy_since_s: float | None = None

    def record_healthy(self, now_s: float) -> None:
        """The page works; `now_s` is any clock that only goes forward."""
        if self._healthy_since_s is None:
            self._healthy_since_s = now_s

    def record_failure(
        self, now_s: float, min_level: RecoveryLevel = RecoveryLevel.RELOAD
    ) -> RecoveryStep | None:
        """The next step, or None: it is hopeless."""
        self._reset_if_healthy(now_s)
        self._failures += 1
        if self._failures >= self._settings.max_failures:
            return None
        level = max(min_level, RecoveryLevel(min(self._failures - 1, RecoveryLevel.NEW_BROWSER)))
        if self._failures == 1:
            return RecoveryStep(level, 0.0)
        return RecoveryStep(level, self._delay_s(self._failures - 2))

    def unreachable_delay_s(self, attempt: int) -> float:
        """Seconds to wait when the network is to blame; such tries are not counted."""
        return self._delay_s(attempt)

    def _reset_if_healthy(self, now_s: float) -> None:
        since_s, self._healthy_since_s = self._healthy_since_s, None
        if since_s is not None and now_s - since_s >= self._settings.healthy_reset_s:
            self._failures = 0

    def _delay_s(self, retry: int) -> float:
        return self._backoff.delay_s(retry=retry, random_fraction=self._random_fraction())
