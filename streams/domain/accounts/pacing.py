"""When an account may send next: a minimum interval, so many a minute, so many a day. No clock, no dice."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

MINUTE_S: Final = 60.0
DAY_S: Final = 86_400.0
# A release that would wait longer for its account's pace goes back, so that no event stands still.
HOLD_S: Final = 5.0


class Pace(msgspec.Struct, frozen=True):
    """The pace that an account keeps. `per_minute` 0 and `per_day` 0 mean without bound."""

    interval_s: float = 0.1
    per_minute: int = 60
    per_day: int = 0


def earliest_s(sent: Sequence[float], pace: Pace) -> tuple[float, str]:
    """When the next message may leave, and the code of what holds it (empty if only the interval).

    `sent` are the account's sending times of the last day, oldest first, as epoch seconds.
    """
    if not sent:
        return 0.0, ""
    options = [(sent[-1] + pace.interval_s, "")]
    if pace.per_minute and len(sent) >= pace.per_minute:
        options.append((sent[-pace.per_minute] + MINUTE_S, "account_rate_limited"))
    if pace.per_day and len(sent) >= pace.per_day:
        options.append((sent[-pace.per_day] + DAY_S, "account_daily_cap"))
    return max(options)


class Pacer:
    """What an account has sent lately: as much of it as the pace asks for, and two counts.

    A sending counts from its end, the ack: so no window of WhatsApp's clock holds more than the pace
    allows. The interval runs from one submit to the next.
    """

    def __init__(self, pace: Pace, sent: Iterable[float] = ()) -> None:
        self._pace = pace
        self._sent: deque[float] = deque(maxlen=max(pace.per_minute, pace.per_day, 1))
        self._minutes: deque[list[float]] = deque()  # [minute, count], oldest first
        self._recent: deque[float] = deque()
        self._submitted_s = 0.0
        for at_s in sorted(sent):
            self.sent(at_s)

    def submitted(self, now_s: float) -> None:
        """A message is being given to WhatsApp."""
        self._submitted_s = now_s

    def sent(self, at_s: float) -> None:
        """It went out, or may have."""
        self._sent.append(at_s)
        self._recent.append(at_s)
        minute = at_s // MINUTE_S
        if not self._minutes or self._minutes[-1][0] < minute:
            self._minutes.append([minute, 0])
        self._minutes[-1][1] += 1
        self._drop(at_s)

    def earliest_s(self) -> tuple[float, str]:
        """When the next one may leave, and the code of what holds it (empty if only the interval)."""
        caps = msgspec.structs.replace(self._pace, interval_s=0.0)
        held_s, code = earliest_s(self._sent, caps)
        interval_s = self._submitted_s + self._pace.interval_s if self._submitted_s else 0.0
        return max((interval_s, ""), (held_s, code))

    def busy_until_s(self, now_s: float) -> float:
        """Until when nothing that is handed to the account can go; 0 if it may be handed something."""
        at_s, _ = self.earliest_s()
        return at_s if at_s > now_s + HOLD_S else 0.0

    def last_minute(self, now_s: float) -> int:
        """How many went out in the last 60 seconds."""
        self._drop(now_s)
        return len(self._recent)

    def last_day(self, now_s: float) -> int:
        """How many went out in the last 24 hours, to the minute."""
        self._drop(now_s)
        return int(sum(count for _, count in self._minutes))

    def _drop(self, now_s: float) -> None:
        while self._recent and self._recent[0] <= now_s - MINUTE_S:
            self._recent.popleft()
        while self._minutes and self._minutes[0][0] < (now_s - DAY_S) // MINUTE_S:
            self._minutes.popleft()
