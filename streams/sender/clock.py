"""The two clocks of a sender: the broker's, for what is stored and reported, and a monotonic one for all waits.

No other clock may be used in this package: a host's wall clock is set, and differs from host to host. What is
stored is the broker's time; when it is read it becomes an age, so that no stored time lies after now.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """`now_s` is the broker's time as epoch seconds, `monotonic_s` the time of this host's monotonic clock.

    The first may jump when the broker's clock is set; the second goes on at its rate, also while the process is
    frozen. It stands still while the whole machine sleeps.
    """

    now_s: Callable[[], float]
    monotonic_s: Callable[[], float] = time.monotonic

    def to_monotonic_s(self, at_s: float) -> float:
        """The time on the monotonic clock at which the broker's clock will show, or has shown, this one."""
        return self.monotonic_s() + at_s - self.now_s()

    def to_broker_s(self, at_mono_s: float) -> float:
        """The broker's time at this time of the monotonic clock."""
        return self.now_s() + at_mono_s - self.monotonic_s()

    def age_s(self, at_s: float) -> float:
        """How long ago this stored time was; one that lies after now counts as now."""
        return max(0.0, self.now_s() - at_s)
