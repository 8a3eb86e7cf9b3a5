"""When an account may send next: a minimum interval with jitter, a limit per minute, a cap per day.

Times and random numbers are passed in: there is no clock and no randomness here. The times are those of one monotonic
clock, because a wall clock that is set back would lift the limits. What an earlier process has sent is passed in as its
age. The pace may change with time (warm_up.py, slow_return.py): the one of the moment counts.
"""

from collections import deque
from collections.abc import Callable, Sequence
from math import isinf
from typing import Final, TypeAlias

import msgspec

MINUTE_S: Final = 60.0
DAY_S: Final = 86_400.0
# A dispatch that would wait longer than this for the pace is handed back, so that nothing is held up.
MAX_PACE_WAIT_S: Final = 5.0
# When the limit is taken up by messages whose acks are awaited, it is looked at again after this time.
UNANSWERED_POLL_S: Final = 1.0


class Pace(msgspec.Struct, frozen=True):
    """The pace that an account keeps. `per_minute` 0 and `per_day` 0 mean no limit.

    `jitter`: each interval is longer by a random part of this share of it, and never shorter.
    """

    interval_s: float = 0.1
    per_minute: int = 60
    per_day: int = 0
    jitter: float = 0.0

    def jittered_interval_s(self, random_fraction: float) -> float:
        """The interval for this random number in [0, 1)."""
        return self.interval_s * (1 + self.jitter * random_fraction)


class CurrentPace(msgspec.Struct, frozen=True):
    """The pace of a moment, and when it changes."""

    pace: Pace
    until_s: float = float("inf")


PaceAt: TypeAlias = Callable[[float], CurrentPace]


def next_send_at_s(
    send_times_s: Sequence[float], pace: Pace, unanswered: int = 0
) -> tuple[float, str]:
    """When the next message may leave, and the error code of what holds it ("" for the interval).

    `send_times_s` are the account's sending times of the last day, oldest first. `unanswered` more messages
    were submitted and count as sent, at a time that is not over yet; infinity: one of them must end first.
    """
    candidates = [(send_times_s[-1] + pace.interval_s if send_times_s else 0.0, "")]
    limits = (
        (pace.per_minute, MINUTE_S, "account_rate_limited"),
        (pace.per_day, DAY_S, "account_daily_cap"),
    )
    for limit, window_s, code in limits:
        position = limit - unanswered
        if limit and position <= 0:
            candidates.append((float("inf"), code))
        elif limit and len(send_times_s) >= position:
            candidates.append((send_times_s[-position] + window_s, code))
    return max(candidates)


class Pacer:
    """What an account has sent lately: as many times as the pace needs, and two counts.

    A message counts from its ack, the end of its sending; one without an ack from the end of its attempt, because
    it may have arrived. So no window of WhatsApp's clock has more than the pace allows. The interval runs from one
    submit to the next.
    """

    def __init__(self, pace: Pace, *, pace_at: PaceAt | None = None, max_per_day: int = 0) -> None:
        """`pace_at` gives the pace of each moment, which is `pace` at most, except for the cap per day.

        `max_per_day`: the largest cap that it ever has.
        """
        self._pace, self._pace_at = pace, pace_at
        max_limit = max(pace.per_minute, pace.per_day, max_per_day, 1)
        self._send_times_s: deque[float] = deque(maxlen=max_limit)
        self._minute_counts: deque[list[float]] = deque()  # [minute, count], oldest first
        self._last_minute_s: deque[float] = deque()
        self._last_submit_s: float | None = None
        self._random_fraction = 0.0  # of the interval after the last submit
        self._unanswered = 0

    @property
    def unanswered(self) -> int:
        """How many messages were submitted and have no answer yet."""
        return self._unanswered

    def record_submit(self, now_s: float, random_fraction: float = 0.0) -> None:
        """A message is about to be submitted: it counts as sent until `record_answer`.

        `random_fraction`: a number in [0, 1), which says how much longer the next interval is.
        """
        self._last_submit_s = now_s
        self._random_fraction = random_fraction
        self._unanswered += 1

    def record_answer(self, now_s: float, *, may_be_sent: bool) -> None:
        """The submit of a message has ended."""
        self._unanswered -= 1
        if may_be_sent:
            self.record_sent(now_s)

    def record_sent(self, at_s: float) -> None:
        """A message went out at this time, or may have."""
        self._send_times_s.append(at_s)
        self._last_minute_s.append(at_s)
        minute = at_s // MINUTE_S
        if not self._minute_counts or self._minute_counts[-1][0] < minute:
            self._minute_counts.append([minute, 0])
        self._minute_counts[-1][1] += 1
        self._drop_expired(at_s)

    def next_wait_s(self, now_s: float) -> tuple[float, str]:
        """Seconds until the next message may leave, and the error code of what holds it, as above.

        When the pace changes before then, it is looked at again.
        """
        current = self._pace_at(now_s) if self._pace_at else CurrentPace(self._pace)
        pace, until_s = current.pace, current.until_s
        caps = msgspec.structs.replace(pace, interval_s=0.0)
        capped_at_s, code = next_send_at_s(self._send_times_s, caps, self._unanswered)
        if isinf(capped_at_s) and code:
            capped_at_s = now_s + UNANSWERED_POLL_S
        interval_s = pace.jittered_interval_s(self._random_fraction)
        last_submit_s = self._last_submit_s
        interval_at_s = now_s if last_submit_s is None else last_submit_s + interval_s
        at_s, code = max((interval_at_s, ""), (min(capped_at_s, until_s), code))
        return max(0.0, at_s - now_s), code

    def busy_for_s(self, now_s: float) -> float:
        """How long the account takes no dispatch, because it could not send it soon; 0 if it takes one."""
        wait_s, _ = self.next_wait_s(now_s)
        return wait_s if wait_s > MAX_PACE_WAIT_S else 0.0

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
