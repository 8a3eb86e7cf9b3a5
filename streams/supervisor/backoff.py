"""How long is waited before a part that ended is started again. Pure: time and chance come in."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. The n-th restart of a series waits between a half and the whole of `base_s · 2ⁿ`,
    at most `cap_s`; a part that ran for `calm_s` begins a new series.
    """

    base_s: float = 0.5
    cap_s: float = 30.0
    calm_s: float = 60.0


class Backoff:
    """Counts the endings of one series. `chance` answers a number in [0, 1)."""

    def __init__(self, patience: Patience, chance: Callable[[], float]) -> None:
        self._patience = patience
        self._chance = chance
        self._endings = 0

    def ended(self, ran_s: float) -> float:
        """The part ended after so many seconds; returns the seconds to wait."""
        if ran_s >= self._patience.calm_s:
            self._endings = 0
        longest_s = min(self._patience.cap_s, self._patience.base_s * 2 ** min(self._endings, 30))
        self._endings += 1
        return longest_s * (0.5 + self._chance() / 2)
