"""When a message to a stranger may try again: each at a time of its own, so that they do not all come back at once.

A near time is one that the message waits for; at a far one it is dispatched again. Without far times, each of a
thousand messages would be dispatched and handed back whenever one of them goes. Whether one may go is decided by
the pacer of strangers, at its turn. No clock and no I/O.
"""

from streams.domain.accounts.pacing import MAX_PACE_WAIT_S


class StrangerTimes:
    """The times that were given out. All of them are of one monotonic clock."""

    def __init__(self) -> None:
        self._last_near_s = float("-inf")  # of a message that waits for it
        self._last_far_s = float("-inf")  # of a message that was handed back until then

    def reserve(
        self, now_s: float, *, next_wait_s: float, spacing_s: float, max_wait_s: float
    ) -> tuple[float, bool]:
        """The seconds that this message has to wait, and whether it is handed back meanwhile.

        `next_wait_s`: until the next one may go; `spacing_s`: between two. One waits for `max_wait_s` at most.
        """
        near_s = max(now_s + next_wait_s, self._last_near_s + spacing_s)
        if near_s - now_s <= min(MAX_PACE_WAIT_S, max_wait_s):
            self._last_near_s = near_s
            return near_s - now_s, False
        self._last_far_s = max(near_s, self._last_far_s + spacing_s)
        return self._last_far_s - now_s, True
