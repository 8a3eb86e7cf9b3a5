"""The broker's clock, as far as one process can know it: bounds from append times and a monotonic clock. Pure.

A produce response proves that the broker's clock showed the append time at some moment between the request and
the response. So each response bounds the distance between the broker's clock and this process's monotonic
clock from both sides, and later responses narrow the bounds. Where two bounds contradict each other, the
broker's clock has moved:

    it moved    what follows
    ---------   -----------------------------------------------------------------------------------------
    backward    the new time counts at once
    forward     the old distance stays in force for one window of monotonic time, then the new time counts

So in no window does more time pass for a decision than has passed in truth, and nothing is delayed for longer than
one window. What is stored is the append time itself; what a decision compares it with is `accept_s`.
No host's wall clock may be used.
"""

from collections import deque
from typing import Final, NamedTuple

WINDOW_S: Final = 60.0

# By how much two clocks may drift apart: kernels correct a clock by at most 500 ppm.
_MAX_DRIFT: Final = 0.0005
_RESOLUTION_S: Final = 0.001  # an append time is in whole milliseconds, rounded down


class Bounds(NamedTuple):
    """The broker's time minus the monotonic clock is between these two, when the latter shows `at_mono_s`."""

    low_s: float
    high_s: float
    at_mono_s: float

    def age_to(self, mono_s: float) -> "Bounds":
        """The bounds at this moment, if no response has narrowed them since."""
        drift_s = self._drift_s(mono_s)
        return Bounds(self.low_s - drift_s, self.high_s + drift_s, mono_s)

    def high_at(self, mono_s: float) -> float:
        """The upper one of `age_to`. It is read for every event."""
        return self.high_s + self._drift_s(mono_s)

    def _drift_s(self, mono_s: float) -> float:
        return max(0.0, mono_s - self.at_mono_s) * _MAX_DRIFT

    @property
    def middle_s(self) -> float:
        """The best estimate."""
        return (self.low_s + self.high_s) / 2


class _Held(NamedTuple):
    """Bounds that were replaced by later ones, and are in force for a while yet."""

    bounds: Bounds
    until_mono_s: float


class LogClock:
    """The clock of one broker, or of several that agree. Set by its first observation or by `restore`."""

    def __init__(self, max_skew_s: float) -> None:
        """`max_skew_s`: a contradiction up to this size is no jump: two brokers' clocks may differ by it."""
        self._max_skew_s = max_skew_s
        self._bounds: Bounds | None = None
        self._held: deque[_Held] = deque()  # with growing distances; the first one is the least

    @property
    def is_set(self) -> bool:
        """Whether anything is known."""
        return self._bounds is not None

    @property
    def bounds(self) -> Bounds:
        """The current bounds. `restore` takes them in another process on this host."""
        assert self._bounds is not None, "no append time was observed yet"
        return self._bounds

    def restore(self, bounds: Bounds) -> None:
        """Begin with what an earlier process on this host had observed: a jump since then is noticed."""
        self._bounds = bounds

    def observe(self, append_s: float, sent_mono_s: float, received_mono_s: float) -> float | None:
        """A response with this append time was received. Returns by how much the broker's clock jumped, if it did."""
        observed = Bounds(
            append_s - received_mono_s, append_s + _RESOLUTION_S - sent_mono_s, received_mono_s
        )
        if self._bounds is None:
            self._bounds = observed
            return None
        previous = self._bounds.age_to(received_mono_s)
        low_s = max(previous.low_s, observed.low_s)
        high_s = min(previous.high_s, observed.high_s)
        if low_s <= high_s:
            self._bounds = Bounds(low_s, high_s, received_mono_s)
            return None
        self._replace(previous, observed)
        is_jump = low_s - high_s > self._max_skew_s
        return observed.middle_s - previous.middle_s if is_jump else None

    def _replace(self, previous: Bounds, observed: Bounds) -> None:
        if observed.low_s > previous.high_s:
            self._held.append(_Held(previous, observed.at_mono_s + WINDOW_S))
        while self._held and self._held[-1].bounds.high_s >= observed.high_s:
            self._held.pop()
        self._bounds = observed

    # -- reading

    def now_s(self, mono_s: float) -> float:
        """What the broker's clock shows, by the best estimate. A jump shows at once: for people, not for decisions."""
        return mono_s + self.bounds.middle_s

    def passed_s(self, mono_s: float) -> float:
        """A time that has passed for decisions, whatever the error of the estimate. For timers."""
        return mono_s + self._accepted(mono_s).age_to(mono_s).low_s

    def latest_s(self, mono_s: float) -> float:
        """A time that the broker's clock has not passed yet. What was appended before now has an earlier one."""
        return mono_s + self.bounds.high_at(mono_s)

    def accept_s(self, append_s: float, mono_s: float) -> float:
        """The time of a decision about a record with this append time: no later than is certain to have passed."""
        return min(append_s, mono_s + self._accepted(mono_s).high_at(mono_s))

    def is_held(self, mono_s: float) -> bool:
        """Whether a jump forward is not accepted yet."""
        self._drop_expired(mono_s)
        return bool(self._held)

    def _accepted(self, mono_s: float) -> Bounds:
        """The least bounds that are in force: the current ones, or some that were replaced. Not aged."""
        self._drop_expired(mono_s)
        return self._held[0].bounds if self._held else self.bounds

    def _drop_expired(self, mono_s: float) -> None:
        while self._held and self._held[0].until_mono_s <= mono_s:
            self._held.popleft()
