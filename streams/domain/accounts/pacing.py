"""When an account may send next: a minimum interval, a limit per minute, a cap per day.

Times are passed in as epoch seconds: there is no clock and no randomness here.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

MINUTE_S: Final = 60.0
DAY_S: Final = 86_400.0
# A dispatch that would wait longer than this for the pace is handed back, so that nothing is held up.
MAX_PACE_WAIT_S: Final = 5.0


class Pace(msgspec.Struct, frozen=True):
    """The pace that an account keeps. `per_minute` 0 and `per_day` 0 mean no limit."""

    interval_s: float = 0.1
    per_minute: int = 60
    per_day: int = 0


def next_send_at_s(send_times_s: Sequence[float], pace: Pace) -> tuple[float, str]:
    """When the next message may leave, and the error code of what holds it ("" for the interval).

    `send_times_s` are the account's sending times of the last day, oldest first.
    """
    if not send_times_s:
        return 0.0, ""
    candidates = [(send_times_s[-1] + pace.interval_s, "")]
    if pace.per_minute and len(send_times_s) >= pace.per_minute:
        candidates.append((send_times_s[-pace.per_minute] + MINUTE_S, "account_rate_limited"))
    if pace.per_day and len(send_times_s) >= pace.per_day:
        candidates.append((send_times_s[-pace.per_day] + DAY_S, "account_daily_cap"))
    return max(candidates)


class Pacer:
    """What an account has sent lately: as many times as the pace needs, and two counts.

    A message counts from its ack, the end of its sending. So no window of WhatsApp's clock has more than
    the pace allows. The interval runs from one submit to the next.
    """

    def __init__(self, pace: Pace, send_times_s: Iterable[float] = ()) -> None:
        self._pace = pace
        self._send_times_s: deque[float] = deque(maxlen=max(pace.per_minute, pace.per_day, 1))
        self._minute_counts: deque[list[float]] = deque()  # [minute, count], oldest first
        self._last_minute_s: deque[float] = deque()
        self._last_submit_s = 0.0
        for at_s in sorted(send_times_s):
            self.record_sent(at_s)

    def record_submit(self, now_s: float) -> None:
        """A message is about to be submitted."""
        self._last_submit_s = now_s

    def record_sent(self, at_s: float) -> None:
        """A message went out at this time, or may have."""
        self._send_times_s.append(at_s)
        self._last_minute_s.append(at_s)
        minute = at_s // MINUTE_S
        if not self._minute_counts or self._minute_counts[-1][0] < minute:
            self._minute_counts.append([minute, 0])
        self._minute_counts[-1][1] += 1
        self._drop_expired(at_s)

    def next_send_at_s(self) -> tuple[float, str]:
        """When the next message may leave, and the error code of what holds it, as above."""
        caps = msgspec.structs.replace(self._pace, interval_s=0.0)
        capped_at_s, code = next_send_at_s(self._send_times_s, caps)
        interval_at_s = self._last_submit_s + self._pace.interval_s if self._last_submit_s else 0.0
        return max((interval_at_s, ""), (capped_at_s, code))

    def busy_until_s(self, now_s: float) -> float:
        """Until when the account takes no dispatch, because it could not send it soon; 0 if it takes one."""
        at_s, _ = self.next_send_at_s()
        return at_s if at_s > now_s + MAX_PACE_WAIT_S else 0.0

    def count_last_minute(self, now_s: float) -> int:
        """How many messages went out in the last 60 seconds."""
        self._drop_expired(now_s)
        return len(self._last_minute_s)

    def count_last_day(self, now_s: float) -> int:
        """How many messages went out in the last 24 hours, to the minute."""
        self._drop_expired(now_s)
        return int(sum(count for _, count in self._minute_counts))

    def _drop_expired(self, now_s: float) -> None:
        while self._last_minute_s and self._last_minute_s[0] <= now_s - MINUTE_S:
            self._last_minute_s.popleft()
        while self._minute_counts and self._minute_counts[0][0] < (now_s - DAY_S) // MINUTE_S:
            self._minute_counts.popleft()
