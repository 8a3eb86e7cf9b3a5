"""The moments at which accounts can do something else because time passes: when they are free, and when they soon are.

So only the accounts are looked at whose moment has come, in whichever direction the time moves: two callers may know
the broker's time by a few milliseconds differently, and the clock may be set back. Has no clock.
"""

from bisect import bisect_left, bisect_right, insort

from streams.domain.accounts.routing import MAX_BUSY_S, Availability


class FreeTimes:
    """When each account is free, in epoch seconds; one without a time is free."""

    def __init__(self) -> None:
        self._free_at_s: dict[str, float] = {}
        self._moments: list[tuple[float, str]] = []  # in order, two of each account

    def set(self, name: str, free_at_s: float) -> None:
        """The account is free at this time; 0: now."""
        previous_s = self._free_at_s.get(name, 0.0)
        if free_at_s == previous_s:
            return
        if previous_s:
            for moment_s in _list_moments(previous_s):
                del self._moments[bisect_left(self._moments, (moment_s, name))]
            del self._free_at_s[name]
        if free_at_s:
            for moment_s in _list_moments(free_at_s):
                insort(self._moments, (moment_s, name))
            self._free_at_s[name] = free_at_s

    def get_availability(self, name: str, now_s: float) -> Availability:
        """What an account that is ready can do at this time."""
        near_s, free_at_s = _list_moments(self._free_at_s.get(name, 0.0))
        if now_s < near_s:
            return Availability.CAPPED
        return Availability.BUSY if now_s < free_at_s else Availability.READY

    def list_between(self, one_s: float, other_s: float) -> list[str]:
        """The accounts that can do something else at one of these times than at the other. Some may occur twice."""
        first = bisect_right(self._moments, min(one_s, other_s), key=_get_time_s)
        last = bisect_right(self._moments, max(one_s, other_s), key=_get_time_s)
        return [name for _, name in self._moments[first:last]]

    def next_change_s(self, now_s: float) -> float:
        """The next moment after this time; infinity if there is none."""
        position = bisect_right(self._moments, now_s, key=_get_time_s)
        return self._moments[position][0] if position < len(self._moments) else float("inf")


def _list_moments(free_at_s: float) -> tuple[float, float]:
    return free_at_s - MAX_BUSY_S, free_at_s


def _get_time_s(moment: tuple[float, str]) -> float:
    return moment[0]
