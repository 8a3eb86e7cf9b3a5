"""Decides what to try next when a page fails, and how long to wait before; also when a working page has
grown too large, and when it is stuck. Pure: time and random numbers are passed in.

    failure 1   reload         at once
    failure 2   new page       after a random part of base_s
    failure 3…  new browser    after a random part of base_s · 2ⁿ, at most cap_s
    failure N   give up, and report it; a page that answers and is only stuck is tried without end

Here base_s is `backoff_base_s`, cap_s is `backoff_max_s` and N is `max_failures`. A failure that a
reload cannot cure (the renderer is dead) starts at a higher level. Only a page that was healthy for
`healthy_reset_s` ends a series: a page that dies each time right after it became ready must not be
started a thousand times an hour.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from streams.domain.backoff import Backoff
from streams.whatsapp.driver import Phase
from streams.whatsapp.web.session import PhaseInfo

_MIN_SAVING_FRACTION = 0.25  # of the maximum


def has_outgrown(heap_mb: float, initial_mb: float, max_mb: float) -> bool:
    """Whether the page should be reloaded: its heap exceeds `max_mb`, and a new page's would be much smaller.

    `initial_mb` is the heap of the young page: an account whose page is large from the beginning must
    not be disconnected again and again. With a `max_mb` of 0 the answer is always no.
    """
    return 0 < max_mb < heap_mb and heap_mb - initial_mb >= _MIN_SAVING_FRACTION * max_mb


class RecoveryLevel(IntEnum):
    """How much is replaced."""

    RELOAD = 0
    NEW_PAGE = 1
    NEW_BROWSER = 2


@dataclass(frozen=True, slots=True)
class RecoveryStep:
    """Wait `delay_s`, then do what the level says."""

    level: RecoveryLevel
    delay_s: float


@dataclass(frozen=True, slots=True)
class RecoverySettings:
    """How often and how fast to recover. After `max_failures` in one series the supervisor gives up.

    A page that answers but has made no progress towards `ready` for `stuck_timeout_s` is stuck. It makes
    progress while it shows a code, or its percentage grows. While it waits for its own next attempt to
    connect, it is stuck after `reconnect_timeout_s`: WhatsApp Web never waits longer than 990 s.
    A page that is ready is stuck if the server has not acked a message for `stall_timeout_s`.
    """

    max_failures: int = 8
    backoff_base_s: float = 0.5
    backoff_max_s: float = 60.0
    healthy_reset_s: float = 60.0
    stuck_timeout_s: float = 300.0  # a first synchronization may take minutes
    reconnect_timeout_s: float = 3600.0
    stall_timeout_s: float = 600.0


class RecoveryPolicy:
    """Counts the failures of one series. `random_fraction` returns a number in [0, 1)."""

    def __init__(self, settings: RecoverySettings, random_fraction: Callable[[], float]) -> None:
        self._settings = settings
        self._backoff = Backoff(
            base_delay_s=settings.backoff_base_s, max_delay_s=settings.backoff_max_s, jitter=1.0
        )
        self._random_fraction = random_fraction
        self._failures = 0
        self._healthy_since_s: float | None = None

    def record_healthy(self, now_s: float) -> None:
        """The page works. `now_s` is the time of any monotonic clock."""
        if self._healthy_since_s is None:
            self._healthy_since_s = now_s

    def record_failure(
        self,
        now_s: float,
        min_level: RecoveryLevel = RecoveryLevel.RELOAD,
        *,
        is_death: bool = True,
    ) -> RecoveryStep | None:
        """The next step, or None: give up. That is only possible if the page has died."""
        self._reset_if_healthy(now_s)
        self._failures += 1
        if is_death and self._failures >= self._settings.max_failures:
            return None
        level = max(min_level, RecoveryLevel(min(self._failures - 1, RecoveryLevel.NEW_BROWSER)))
        if self._failures == 1:
            return RecoveryStep(level, 0.0)
        return RecoveryStep(level, self._delay_s(self._failures - 2))

    def unreachable_delay_s(self, attempt: int) -> float:
        """Seconds to wait if WhatsApp cannot be reached. Such failures are not counted."""
        return self._delay_s(attempt)

    def _reset_if_healthy(self, now_s: float) -> None:
        since_s, self._healthy_since_s = self._healthy_since_s, None
        if since_s is not None and now_s - since_s >= self._settings.healthy_reset_s:
            self._failures = 0

    def _delay_s(self, retry: int) -> float:
        return self._backoff.delay_s(retry=retry, random_fraction=self._random_fraction())


class StuckDetector:
    """Whether a page that answers has made no progress for too long."""

    def __init__(self, settings: RecoverySettings) -> None:
        self._settings = settings
        self._info: PhaseInfo | None = None
        self._since_s = 0.0

    def reset(self) -> None:
        """A page has been opened."""
        self._info = None

    def is_stuck(self, info: PhaseInfo, now_s: float) -> bool:
        """Whether it is stuck. `now_s` is the time of any monotonic clock."""
        if info.is_lasting or info != self._info:
            self._info, self._since_s = info, now_s
            return False
        settings = self._settings
        is_waiting = info.is_backing_off
        timeout_s = settings.reconnect_timeout_s if is_waiting else settings.stuck_timeout_s
        return now_s - self._since_s >= timeout_s


class Stall:
    """For how long the server has not acked one and the same message of a page that was ready.

    WhatsApp Web sends it again at each reconnect, and the sender asks for one each minute. If that does
    not help, the page holds it somewhere, for example because its database or the queue of a chat hangs.
    Only another page gets the message out then.
    """

    def __init__(self) -> None:
        self._pending_since: float | None = None
        self._last_ready_s: float | None = None
        self._stalled_s = 0.0

    def measure_s(self, pending_since: float | None, phase: Phase, now_s: float) -> float:
        """Seconds until now. `now_s` is the time of any monotonic clock; `pending_since` names the message."""
        is_ready = phase is Phase.READY
        if pending_since is None or pending_since != self._pending_since:
            self._stalled_s = 0.0
        elif is_ready and self._last_ready_s is not None:
            self._stalled_s += now_s - self._last_ready_s
        self._pending_since = pending_since
        self._last_ready_s = now_s if is_ready else None
        return self._stalled_s
