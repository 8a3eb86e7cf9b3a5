"""When an account may send next: a minimum interval, so many a minute, so many a day."""

from typing import Final

import msgspec

MINUTE_S: Final = 60.0
DAY_S: Final = 86_400.0


class Pace(msgspec.Struct, frozen=True):
    """The pace that an account keeps. `per_minute` 0 and `per_day` 0 mean without bound."""

    interval_s: float = 0.1
    per_minute: int = 60
    per_day: int = 0


def earliest_s(sent: tuple[float, ...], pace: Pace) -> tuple[float, str]:
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
